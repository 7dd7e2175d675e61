import type { OperationContext } from '../core/caller.js';
import type { OperationInput as In, OperationOutput as Out } from '../operations/table.js';
import type { Gate } from './gate.js';
import type { Learner } from './learner.js';
import type { Supervisor } from './supervisor.js';

/** Starts or stops a server because somebody says so. Rejects with a RuntimeError. */
export async function manageServer(
  { gate, supervisor, learner }: { gate: Gate; supervisor: Supervisor; learner: Learner },
  input: In<'manage_server'>,
  { caller, signal }: OperationContext,
): Promise<Out<'manage_server'>> {
  const name = input.server_name;
  const begun = performance.now();
  const tools = () => gate.sight(caller).require(name).tools.length;
  const answer = (state: 'ready' | 'stopped', already: boolean): Out<'manage_server'> => ({
    server: name,
    state,
    took_ms: Math.round(performance.now() - begun),
    tools: tools(),
    ...(already ? { already: true } : {}),
  });
  tools();
  if (input.action === 'shutdown') {
    // It ends for everybody: a token for some of its tools, or for reading, is none for that.
    if (caller.restriction !== undefined) gate.sight(caller).requireWhole(name);
    const { ran } = await supervisor.stop(name);
    return answer('stopped', !ran);
  }
  const { already } = await supervisor.start(name, caller, signal);
  using lease = await supervisor.lease(name, caller, signal);
  await learner.refresh(name, lease.session);
  return answer('ready', already);
}
