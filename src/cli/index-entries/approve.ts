import { errorTable } from '../../core/errors.js';
import type { OperationOutput } from '../../operations/table.js';
import type { GlobalFlags } from '../environment.js';
import { withRuntime } from '../run-operation.js';
import { commandCaller } from '../runtime.js';
import { confirmed, exact } from './shown.js';

type Pin = OperationOutput<'review_server'>['now'];

/** Shows how a remote index starts a server now and before, and accepts exactly what was shown. */
export function approve(name: string, flags: GlobalFlags & { yes: boolean }): Promise<number> {
  return withRuntime(flags, async ({ port }, output, signal) => {
    const context = { caller: commandCaller('approve'), signal };
    const review = await port.review_server({ server_name: name }, context);
    const { now, before, hash } = review;
    const same = before !== undefined && JSON.stringify(before) === JSON.stringify(now);
    const lines = [
      ...(before === undefined || same ? [] : [`${exact(name)} was accepted as`, ...pinLines(before)]),
      `${exact(name)} ${same ? 'is started as it was accepted' : 'would be started as'}`,
      ...pinLines(now),
    ];
    if (!same && !flags.yes) output.note(lines.join('\n'));
    const accepted = same || flags.yes || (await confirmed('Accept this?'));
    if (accepted && !same) {
      await port.review_server({ server_name: name, accept: hash }, context);
      // Whatever was refused before counts no longer.
      await port.manage_server({ server_name: name, action: 'shutdown' }, context);
    }
    await output.answer(
      accepted ? [...lines, 'Accepted.'].join('\n') : 'Nothing was accepted. --yes accepts without asking.',
      { ...review, accepted },
    );
    return accepted ? 0 : errorTable.FORBIDDEN.exit;
  });
}

function pinLines(pin: Pin): string[] {
  return [
    ...(pin.command === undefined
      ? []
      : [`  runs: ${[pin.command, ...(pin.args ?? [])].map(exact).join(' ')}`]),
    ...(pin.env?.length ? [`  env: ${pin.env.map(exact).join(' ')}`] : []),
    ...(pin.url === undefined ? [] : [`  url: ${exact(pin.url)}`]),
    ...(pin.headers?.length ? [`  headers: ${pin.headers.map(exact).join(' ')}`] : []),
  ];
}
