import { describe, expect, it } from 'vitest';
import type { ClientLink } from '../../core/client-link.js';
import { Payload } from '../../core/payload.js';
import { declaredHeaders, standardHeaders } from './headers.js';
import { inRounds } from './rounds.js';

const form = { method: 'elicitation/create', params: { message: 'm' } };
const wanting = (requestState: string) =>
  Payload.fromValue({ resultType: 'input_required', inputRequests: { q: form }, requestState });
const client = (more: Partial<ClientLink> = {}): ClientLink => ({
  clientId: 'a',
  capabilities: { elicitation: {} },
  ask: async () => ({ action: 'accept' }),
  tell: () => {},
  ...more,
});

describe('rounds with a stateless server', () => {
  it('brings the answers and the untouched state, until there is a result', async () => {
    const seen: unknown[] = [];
    const result = await inRounds(
      { name: 't' },
      {
        server: 's',
        method: 'tools/call',
        client: client(),
        send: async (params) => {
          seen.push(params);
          return seen.length < 3 ? wanting(`state ${seen.length}`) : Payload.fromValue({ content: [] });
        },
      },
    );
    expect(result.value).toEqual({ content: [] });
    const inputResponses = { q: { action: 'accept' } };
    expect(seen).toEqual([
      { name: 't' },
      { name: 't', inputResponses, requestState: 'state 1' },
      { name: 't', inputResponses, requestState: 'state 2' },
    ]);
  });

  it('ends a server that asks for ever, with too large a state, or what the client cannot answer', async () => {
    const run = (state: string, who: ClientLink | undefined) =>
      inRounds({}, { server: 's', method: 'tools/call', client: who, send: async () => wanting(state) });
    await expect(run('x', client())).rejects.toMatchObject({ code: 'UPSTREAM_PROTOCOL' });
    await expect(run('x'.repeat(70_000), client())).rejects.toMatchObject({ code: 'UPSTREAM_PROTOCOL' });
    await expect(run('x', client({ capabilities: {} }))).rejects.toMatchObject({ data: { code: -32601 } });
    await expect(run('x', undefined)).rejects.toMatchObject({ data: { code: -32601 } });
    expect((await run('x', client({ round: {} }))).value).toMatchObject({ requestState: 'x' });
  });

  it('says in a header which task a request is for', () => {
    expect(standardHeaders('tasks/update', { taskId: 'a 1', inputResponses: {} })).toEqual({
      'mcp-method': 'tasks/update',
      'mcp-name': 'a 1',
    });
  });

  it('says arguments in headers where the schema declares it', () => {
    const schema = { type: 'object', properties: { region: { type: 'string', 'x-mcp-header': 'Region' } } };
    const found = declaredHeaders(schema);
    const declarations = 'declarations' in found ? found.declarations : [];
    const params = { name: 'tööl', arguments: { region: 'eu' } };
    expect(standardHeaders('tools/call', params, declarations)).toEqual({
      'mcp-method': 'tools/call',
      'mcp-name': `=?base64?${Buffer.from('tööl').toString('base64')}?=`,
      'Mcp-Param-Region': 'eu',
    });
    expect(declaredHeaders({ items: { type: 'string', 'x-mcp-header': 'X' } })).toHaveProperty('fault');
  });
});
