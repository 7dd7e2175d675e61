import { existsSync } from 'node:fs';
import { dirname, isAbsolute, join, relative } from 'node:path';
import { openCatalogDb } from '../catalog/catalog-db.js';
import { LearntStore } from '../catalog/learnt-store.js';
import { approveCommand } from '../catalog/not-found.js';
import { identitySuspicions, suspicions } from '../catalog/suspicion.js';
import type { Settings } from '../config/settings.js';
import type { ServerDefinition } from '../core/server.js';
import { exact } from '../lib/escape.js';
import { Ledger } from './approvals/ledger.js';

export interface Finding {
  readonly check: string;
  readonly verdict: 'ok' | 'warning' | 'failed';
  readonly message: string;
  readonly hint?: string | undefined;
}

const MAX_TOOLS_NAMED = 5;

/** What waits for approval, what is odd about the texts of servers, and who could write what is run. */
export function checkAgreements(settings: Settings, definitions: readonly ServerDefinition[]): Finding[] {
  return [
    ...waiting(settings),
    ...oddTexts(settings, definitions),
    ...definitions.flatMap((definition) => writesServersFile(settings, definition)),
  ];
}

function waiting({ home }: Settings): Finding[] {
  const ledger = new Ledger(home);
  try {
    const all = ledger.waiting();
    return [...new Set(all.map(({ server }) => server))].map((server) => {
      const count = all.filter((one) => one.server === server).length;
      return {
        check: `server ${exact(server)}`,
        verdict: 'warning',
        message: `${count} ${count === 1 ? 'thing waits' : 'things wait'} for approval, and cannot be used.`,
        hint: approveCommand(server),
      };
    });
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    return [
      { check: 'approvals', verdict: 'failed', message, hint: 'Until it can be read no tool is used.' },
    ];
  } finally {
    ledger.close();
  }
}

/** Of what was learnt when the servers ran last. */
function oddTexts({ home }: Settings, definitions: readonly ServerDefinition[]): Finding[] {
  const path = join(home, 'catalog.db');
  if (!existsSync(path)) return [];
  const { db } = openCatalogDb(path);
  try {
    const store = new LearntStore(db, Date.now);
    return definitions.flatMap(({ name }): Finding[] => {
      const learnt = store.load(name, '');
      const odd = (learnt?.tools ?? []).flatMap((tool) => {
        const found = suspicions(tool);
        return found.length > 0 ? [`${exact(tool.name)}: ${found.join('; ')}`] : [];
      });
      odd.unshift(...identitySuspicions(learnt?.identity).map((what) => `the server's own text: ${what}`));
      if (odd.length === 0) return [];
      const more = odd.length > MAX_TOOLS_NAMED ? `, and ${odd.length - MAX_TOOLS_NAMED} more` : '';
      return [
        {
          check: `server ${exact(name)}`,
          verdict: 'warning',
          message: `its texts have something odd. ${odd.slice(0, MAX_TOOLS_NAMED).join(', ')}${more}.`,
          hint: 'Read them with `mcp-runtime tools`, and keep the server only if you trust it.',
        },
      ];
    });
  } finally {
    db.close();
  }
}

/** What stands in the servers file is run: a server that may write there could have anything run. */
function writesServersFile(settings: Settings, definition: ServerDefinition): Finding[] {
  if (definition.transport !== 'stdio' || definition.disabled) return [];
  const given = definition.args.find(
    (arg) =>
      isAbsolute(arg) && [dirname(settings.configPath), settings.home].some((place) => holds(arg, place)),
  );
  if (given === undefined) return [];
  return [
    {
      check: `server ${exact(definition.name)}`,
      verdict: 'warning',
      message: `it is given ${exact(given)}, which holds the servers file or the home of mcp-runtime.`,
      hint: 'If its tools can write there, a model can have any program run. Give it a narrower directory.',
    },
  ];
}

function holds(directory: string, place: string): boolean {
  const way = relative(directory, place);
  return way === '' || (!way.startsWith('..') && !isAbsolute(way));
}
