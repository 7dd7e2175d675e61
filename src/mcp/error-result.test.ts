import { describe, expect, it } from 'vitest';
import { RuntimeError } from '../core/errors.js';
import { errorResult, unexpected } from './error-result.js';

const textOf = (error: RuntimeError) => String(errorResult(error).content?.[0]?.['text']);

describe('errorResult', () => {
  it('says what happened and what to do next, and gives the same as data', () => {
    const error = new RuntimeError('QUEUE_FULL', 'The queue is full (100 tasks).', {
      hint: 'Wait for one to end.',
    });
    expect(errorResult(error)).toEqual({
      content: [{ type: 'text', text: 'The queue is full (100 tasks).\nNext: Wait for one to end.' }],
      structuredContent: {
        error: {
          code: 'QUEUE_FULL',
          message: 'The queue is full (100 tasks).',
          hint: 'Wait for one to end.',
          retryable: true,
        },
      },
      isError: true,
    });
  });

  it('stays under 2 KB whatever is in it, and keeps the end of stderr and the hint', () => {
    const error = new RuntimeError('SERVER_DIED', 'Ä'.repeat(5_000), {
      hint: `do this ${'ß'.repeat(5_000)}`,
      data: { stderr: `${'early\n'.repeat(5_000)}the last line` },
    });
    const text = textOf(error);
    expect(Buffer.byteLength(text)).toBeLessThanOrEqual(2_048);
    expect(text).toContain('the last line');
    expect(text).toContain('Next: do this');
    expect(text).not.toContain('\ufffd');
    expect(JSON.stringify(errorResult(error).structuredContent).length).toBeLessThan(25_000);
  });

  it('makes terminal sequences in stderr harmless', () => {
    const error = new RuntimeError('SERVER_DIED', 'died', {
      data: { stderr: '\u001b[31mred\u001b[0m\u202eevil' },
    });
    expect(textOf(error)).toContain('redevil');
  });
});

describe('unexpected', () => {
  it('keeps the cause inside', () => {
    const json = JSON.stringify(errorResult(unexpected(new TypeError('inner secret'))));
    expect(json).toContain('INTERNAL');
    expect(json).not.toMatch(/inner secret|TypeError/);
  });
});
