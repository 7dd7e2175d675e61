// Writes the documents that are derived from tables: docs/operations.md and docs/errors.md.
// With --check it changes nothing and fails when they are out of date.
import { readFile, writeFile } from 'node:fs/promises';
import { errorTable } from '../dist/core/error-table.js';
import { operationNames, operations } from '../dist/operations/table.js';
import { inputSchema, outputSchema } from '../dist/operations/tool-definition.js';

const typeOf = (schema) => {
  if (schema.enum) return schema.enum.map((value) => `\`${value}\``).join(' or ');
  if (schema.const !== undefined) return `\`${schema.const}\``;
  if (schema.anyOf ?? schema.oneOf) return (schema.anyOf ?? schema.oneOf).map(typeOf).join(' or ');
  if (schema.type === 'array') return `list of ${typeOf(schema.items ?? {})}`;
  if (schema.type === 'object' && schema.properties) return `{${Object.keys(schema.properties).join(', ')}}`;
  return schema.type ?? 'anything';
};

const limits = (schema) =>
  [
    schema.default === undefined ? '' : `default ${JSON.stringify(schema.default)}`,
    schema.minimum === undefined ? '' : `from ${schema.minimum}`,
    schema.exclusiveMinimum === undefined ? '' : `above ${schema.exclusiveMinimum}`,
    schema.maximum === undefined ? '' : `to ${schema.maximum}`,
  ]
    .filter(Boolean)
    .join(', ');

function fields(schema) {
  const required = new Set(schema.required ?? []);
  const rows = Object.entries(schema.properties ?? {}).map(
    ([name, one]) => `| \`${name}\`${required.has(name) ? '' : '?'} | ${typeOf(one)} | ${limits(one)} |`,
  );
  return rows.length === 0 ? 'None.\n' : `| name | type | |\n|---|---|---|\n${rows.join('\n')}\n`;
}

function operationText(name) {
  const row = operations[name];
  const output = outputSchema(name);
  const arms = output.anyOf ?? output.oneOf ?? [output];
  const answer =
    row.answers === 'verbatim'
      ? "The answer is content as it came, so no output schema is declared to clients: a client that checks one would refuse a tool's own result.\n\n"
      : '';
  return `## ${name}\n\n${row.description}\n\nParameters\n\n${fields(inputSchema(name))}\nAnswer\n\n${answer}${arms.map(fields).join('\nor\n\n')}`;
}

const shown = (audience) => operationNames.filter((name) => operations[name].audience === audience);

const operationsDoc = `# Operations

Made by \`npm run docs\` from the table in \`src/operations\`; do not edit. A \`?\` marks what may be left out.

${shown('model').map(operationText).join('\n')}
# For operators

These are reached from the command line and over the wire, never by a model.

${shown('operator').map(operationText).join('\n')}`;

const errorsDoc = `# Errors

Made by \`npm run docs\` from the table in \`src/core/error-table.ts\`; do not edit. Every failure says what happened, why, and
what to do next. *Audience*: who can do something about it. *Retryable*: whether the same request may succeed later.

| code | what it means | audience | retryable | HTTP status | exit code |
|---|---|---|---|---|---|
${Object.entries(errorTable)
  .map(
    ([code, e]) =>
      `| \`${code}\` | ${e.says} | ${e.audience} | ${e.retryable ? 'yes' : 'no'} | ${e.http} | ${e.exit} |`,
  )
  .join('\n')}

A command line that cannot be read ends with exit code 2, an interrupted command with 130.
`;

let stale = 0;
for (const [path, text] of [
  ['docs/operations.md', operationsDoc],
  ['docs/errors.md', errorsDoc],
]) {
  const file = new URL(`../${path}`, import.meta.url);
  if (!process.argv.includes('--check')) await writeFile(file, text);
  else if ((await readFile(file, 'utf8').catch(() => '')) !== text) {
    process.stderr.write(`${path} is out of date; run "npm run docs".\n`);
    stale = 1;
  }
}
process.exitCode = stale;
