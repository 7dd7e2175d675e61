import type { ListedTool, ServerIdentity } from '../core/server.js';
import { hasUnseen, printable } from '../lib/printable.js';

/** What texts of servers that attacked their readers had in common; what is found is told, and cut nowhere. */
const PATTERNS: readonly (readonly [string, RegExp])[] = [
  [
    'orders to the model',
    /<\/?\s*(?:important|system|instructions?|secret|tool_result)\b|^\s*(?:system|assistant|human)\s*:|\b(?:ignore|disregard|forget|override)\b.{0,40}\b(?:instructions?|rules|prompts?|guidelines)\b|\bdo(?:es)? not (?:tell|mention|inform|show|reveal)\b.{0,30}\b(?:users?|anyone|it)\b|\bwithout (?:telling|asking|informing) the user\b/im,
  ],
  [
    'orders about other tools',
    /\bbefore (?:any|every|each|calling|using|all)\b.{0,30}\b(?:tools?|calls?|other)\b|\bof any other server\b|\b(?:instead of|rather than) (?:the )?(?:other|built-?in)\b.{0,30}\btools?\b|\balways (?:call|use|run|set|pass|include)\b/i,
  ],
  [
    'names files with secrets',
    /~?\/?\.(?:ssh|aws|gnupg|kube|netrc|npmrc|docker\/config)\b|\bid_(?:rsa|ed25519|ecdsa)\b|\/etc\/(?:passwd|shadow)\b|(?:^|[\s"'`/])\.env\b|\b(?:mcp|claude_desktop_config|servers)\.json\b/i,
  ],
  ['a picture or link that carries data away', /!?\[[^\]]*\]\(\s*https?:[^)]*[{$][^)]*\)|\bbcc\b.{0,40}@/i],
  ['a comment that is not shown', /<!--/],
];
/** Of one text; what is longer is a finding of its own. */
const READ = 16_384;

/** What is odd about the texts of a tool, in a few words each; empty for nearly every tool. */
export function suspicions(tool: ListedTool): string[] {
  return suspicionsOf(
    textsOf([tool.title, tool.description, tool.annotations, tool.inputSchema, tool.outputSchema]),
  );
}

export function identitySuspicions(identity: ServerIdentity | undefined): string[] {
  return suspicionsOf(textsOf([identity?.title, identity?.instructions]));
}

function suspicionsOf(texts: readonly string[]): string[] {
  const found = new Set<string>();
  for (const text of texts) {
    if (hasUnseen(text)) found.add('characters that cannot be seen');
    if (text.length > READ) found.add('a text of more than 16 KB');
    const seen = printable(text.slice(0, READ)).normalize('NFKC');
    for (const [what, pattern] of PATTERNS) if (pattern.test(seen)) found.add(what);
  }
  return [...found];
}

/** All texts in it, names of arguments too. Tools that are nested too deep never get here. */
function textsOf(value: unknown): string[] {
  if (typeof value === 'string') return [value];
  if (typeof value !== 'object' || value === null) return [];
  if (Array.isArray(value)) return value.flatMap(textsOf);
  return Object.entries(value).flatMap(([key, inner]) => [key, ...textsOf(inner)]);
}
