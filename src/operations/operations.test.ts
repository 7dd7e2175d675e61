import { encode } from 'gpt-tokenizer/encoding/cl100k_base';
import { describe, expect, it } from 'vitest';
import { RuntimeError } from '../core/errors.js';
import { Payload } from '../core/payload.js';
import { parseInput } from './invoke.js';
import { modelOperations, operationNames, operations } from './table.js';
import { toolDefinitions } from './tool-definition.js';

describe('the operations table', () => {
  it('names every row by its key', () => {
    expect(operationNames.map((name) => operations[name].name)).toEqual(operationNames);
  });

  it('offers the fourteen tools to a model, and costs less than 2,500 tokens', () => {
    expect(toolDefinitions().map((tool) => tool.name)).toEqual([
      'search_tools',
      'search_servers',
      'get_server_info',
      'get_server_tools',
      'get_tool_details',
      'list_servers',
      'manage_server',
      'list_running_servers',
      'execute_tool',
      'poll_task_result',
      'cancel_task',
      'list_tasks',
      'get_content',
      'get_statistics',
    ]);
    expect(encode(JSON.stringify(toolDefinitions())).length).toBeLessThan(2500);
  });

  it('declares an output schema wherever the answer is its own', () => {
    for (const tool of toolDefinitions()) {
      const verbatim = modelOperations.find((row) => row.name === tool.name)?.answers === 'verbatim';
      expect(tool.outputSchema === undefined, tool.name).toBe(verbatim);
    }
  });
});

describe('parseInput', () => {
  it('fills in the defaults of the contract', () => {
    expect(parseInput('search_tools', { query: 'x' })).toEqual({
      query: 'x',
      limit: 10,
      min_score: 0.3,
      enabled: true,
    });
    expect(parseInput('execute_tool', { server_name: 's', tool_name: 't' })).toEqual({
      server_name: 's',
      tool_name: 't',
      arguments: {},
      timeout: 60,
      in_background: false,
      priority: 1,
    });
  });

  it('takes arguments as a JSON string too', () => {
    const input = { server_name: 's', tool_name: 't', arguments: '{"a":1}' };
    expect(parseInput('execute_tool', input).arguments).toEqual({ a: 1 });
    expect(parseInput('execute_tool', { ...input, arguments: '' }).arguments).toEqual({});
  });

  it.each([
    ['search_tools', {}, 'query'],
    ['search_tools', { query: 'x', limit: 0 }, 'limit'],
    ['search_tools', { query: 'x', limit: 101 }, 'limit'],
    ['search_tools', { query: 'x', min_score: 2 }, 'min_score'],
    ['execute_tool', { server_name: 's', tool_name: 't', arguments: '{"a":' }, 'arguments'],
    ['execute_tool', { server_name: 's', tool_name: 't', arguments: '[1]' }, 'arguments'],
    ['execute_tool', { server_name: 's', tool_name: 't', timeout: 0 }, 'timeout'],
    ['manage_server', { server_name: 's', action: 'restart' }, 'action'],
    ['get_content', { ref_id: 'x', chunk_index: 1.5 }, 'chunk_index'],
  ] as const)('%s refuses %j, naming %s and the schema', (name, input, argument) => {
    expect(() => parseInput(name, input)).toThrow(RuntimeError);
    try {
      parseInput(name, input);
    } catch (error) {
      expect((error as RuntimeError).code).toBe('INVALID_ARGUMENTS');
      expect((error as RuntimeError).message).toContain(argument);
      expect((error as RuntimeError).hint).toContain('"properties"');
    }
  });
});

describe('answers', () => {
  it('passes the result of a tool through as the object it is', () => {
    const result = Payload.fromValue({ content: [], anything: 1 });
    expect(operations.execute_tool.present({ status: 'completed', result })).toBe(result);
  });

  it('says a failed task is a failure', () => {
    const answer = operations.poll_task_result.present({
      task_id: 't',
      status: 'failed',
      error: { code: 'TIMEOUT', message: 'It took too long.' },
    });
    expect(answer).toMatchObject({ isError: true, content: [{ text: 'failed: It took too long.' }] });
  });
});
