import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import { good, type Workplace, workplace } from '../support/runtime.js';

const SECRET = 'canary-7f3a9';

interface Shown {
  readonly event: string;
  readonly outcome?: string;
  readonly [key: string]: unknown;
}
const shown = async (place: Workplace, ...flags: string[]): Promise<Shown[]> =>
  (await place.command('audit', ...flags))['records'] as Shown[];

describe('the audit log', () => {
  const at = workplace();

  it('AUD-06: says who had what done and how it ended, never with which values', async () => {
    const place = at();
    place.servers({ good: good(), vault: good() });
    mkdirSync(place.home, { recursive: true, mode: 0o700 });
    writeFileSync(join(place.home, 'policy.json'), '{ "deny": ["vault"] }');
    const client = await place.client({ name: 'auditor' });
    await client.learnt();
    await client.execute('good', 'echo', { text: SECRET, [SECRET]: 1 });
    await client.execute('good', 'fail', { how: 'result', message: SECRET });
    await client.execute('good', 'fail', { how: 'rpc', message: SECRET });
    await client.execute('vault', 'echo', { text: SECRET });
    const task = await client.execute('good', 'counter', { key: SECRET }, { in_background: true });
    const { task_id } = task.structuredContent;
    await client.call('poll_task_result', { task_id, wait: 20 });
    await client.call('manage_server', { server_name: 'good', action: 'shutdown' });
    await client.close();

    // An engine that goes on writes a moment later.
    const all = await vi.waitFor(
      async () => {
        const found = await shown(place);
        expect(found.length).toBeGreaterThanOrEqual(8);
        return found;
      },
      { timeout: 20_000, interval: 100 },
    );
    const who = { principal: 'local', client: 'auditor' };
    expect(all).toMatchObject([
      { event: 'policy', valid: true },
      {
        ...who,
        event: 'call',
        server: 'good',
        tool: 'echo',
        outcome: 'ok',
        args: { text: `string(${SECRET.length})`, '...': '1 more' },
      },
      { ...who, event: 'call', tool: 'fail', outcome: 'tool-error' },
      { ...who, event: 'call', tool: 'fail', outcome: 'UPSTREAM_ERROR' },
      { ...who, event: 'call', server: 'vault', outcome: 'SERVER_NOT_FOUND' },
      { ...who, event: 'call', tool: 'counter', outcome: 'queued', task: task_id },
      { ...who, event: 'task', tool: 'counter', outcome: 'ok', task: task_id },
      { ...who, event: 'shutdown', server: 'good', outcome: 'ok' },
    ]);
    expect(await shown(place, '--outcome', '*ERROR*')).toHaveLength(1);
    expect(await shown(place, '--tool', 'f*', '--limit', '1')).toMatchObject([{ outcome: 'UPSTREAM_ERROR' }]);
    expect(await shown(place, '--since', '2100-01-01')).toEqual([]);

    const folder = join(place.home, 'audit');
    expect(statSync(folder).mode & 0o777).toBe(0o700);
    for (const name of readdirSync(folder)) {
      expect(statSync(join(folder, name)).mode & 0o777).toBe(0o600);
      expect(readFileSync(join(folder, name), 'latin1')).not.toContain(SECRET);
    }
    const whole = await place.command('audit', '--verify');
    expect(whole).toMatchObject({ exitCode: 0, problems: [] });
    const log = join(folder, '000001.log');
    writeFileSync(log, readFileSync(log, 'utf8').replace('"tool-error"', '"ok"'));
    const changed = await place.command('audit', '--verify');
    expect(changed).toMatchObject({ exitCode: 15, error: { code: 'AUDIT_BROKEN' } });
    expect(JSON.stringify(changed)).toContain('000001.log:3: record 3 was changed');
  }, 60_000);

  it('AUD-07: is not written where it is switched off', async () => {
    const place = at();
    place.servers({ good: good() });
    const client = await place.client({ env: { AUDIT: 'false' } });
    await client.execute('good', 'echo', { text: 'x' });
    await client.close();
    expect(existsSync(join(place.home, 'audit'))).toBe(false);
    expect(await place.command('audit', '--verify')).toMatchObject({ exitCode: 0, records: 0 });
  }, 60_000);
});
