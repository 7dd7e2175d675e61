import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { type DefinitionPin, DefinitionPins, pinHash } from '../../catalog/pins/definition-pins.js';
import { PinDb } from '../../catalog/pins/pin-db.js';
import { ToolPinRows, type WaitingTool } from '../../catalog/pins/tool-pin-rows.js';

/** Something that is not used until a person approves it. */
export type Waiting =
  | ({ readonly kind: 'definition'; readonly served: boolean } & DefinitionPin)
  | ({ readonly kind: 'tool'; readonly served: boolean } & WaitingTool);

/** What was agreed to and what waits, of the engine of a home and of the index that it serves. */
export class Ledger {
  readonly #stores: readonly { db: PinDb; served: boolean }[];

  constructor(home: string) {
    this.#stores = [
      { path: join(home, 'pins.db'), served: false },
      { path: join(home, 'index', 'pins.db'), served: true },
    ].flatMap(({ path, served }) => (existsSync(path) ? [{ db: new PinDb(path), served }] : []));
  }

  /** @throws RuntimeError STORAGE_FAILED */
  waiting(server?: string, tools?: readonly string[]): Waiting[] {
    const all = this.#stores.flatMap(({ db, served }): Waiting[] => [
      ...new DefinitionPins(db).waiting().map((one) => ({ kind: 'definition' as const, served, ...one })),
      ...new ToolPinRows(db).waiting().map((one) => ({ kind: 'tool' as const, served, ...one })),
    ]);
    return all.filter(
      (one) =>
        (server === undefined || one.server === server) &&
        (tools === undefined || (one.kind === 'tool' && tools.includes(one.tool))),
    );
  }

  /** @returns false when it is not what waits any more. */
  approve(one: Waiting): boolean {
    const store = this.#stores.find(({ served }) => served === one.served);
    if (!store) return false;
    if (one.kind === 'tool') return new ToolPinRows(store.db).approve(one);
    const pins = new DefinitionPins(store.db);
    const now = pins.get(one.source, one.server)?.proposed;
    if (!one.proposed || !now || pinHash(now) !== pinHash(one.proposed)) return false;
    pins.approve(one.source, one.server, one.proposed);
    return true;
  }

  /** Takes approvals back: of single tools, or of a server with all its tools. @returns how many there were. */
  revoke(server: string, tools?: readonly string[]): number {
    let count = 0;
    for (const { db } of this.#stores) {
      const rows = new ToolPinRows(db);
      if (tools) for (const tool of tools) count += rows.revoke(server, tool);
      else {
        const pins = new DefinitionPins(db);
        for (const { source } of pins.all(server)) if (pins.revoke(source, server)) count += 1;
        count += rows.revoke(server);
      }
    }
    return count;
  }

  close(): void {
    for (const { db } of this.#stores) db.close();
  }
}
