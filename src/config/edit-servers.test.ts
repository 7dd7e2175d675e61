import { describe, expect, it } from 'vitest';
import { serverNames, withoutServer, withServer } from './edit-servers.js';

const file = `{
  // mine
  "mcpServers": {
    // reads my notes
    "a": { "command": "x" }, /* after a */
    "b": {
      "command": "y", // why
    },
  },
  "other": 1
}
`;
const entry = { command: 'node', args: ['s.mjs', 'ü "q"'] };

describe('edits of the servers file', () => {
  it('adds and replaces, and keeps every comment', () => {
    const added = withServer(file, 'c', entry);
    expect(serverNames(added)).toEqual(['a', 'b', 'c']);
    for (const comment of ['// mine', '// reads my notes', '/* after a */', '// why', '"other": 1'])
      expect(added).toContain(comment);
    const replaced = withServer(added, 'a', entry);
    expect(serverNames(replaced)).toEqual(['a', 'b', 'c']);
    expect(replaced).toContain('// reads my notes');
  });

  it.each(['a', 'b'])('takes "%s" out, with one comma, whatever trailing ones there are', (name) => {
    for (const text of [file, file.replace(/,(\s*\})/g, '$1'), '{"mcpServers":{"a":{},"b":{}}}']) {
      const left = withoutServer(text, name);
      expect(serverNames(left)).toEqual(name === 'a' ? ['b'] : ['a']);
      expect(serverNames(withoutServer(left, name === 'a' ? 'b' : 'a'))).toEqual([]);
      if (text.includes('// mine')) expect(left).toContain('// mine');
    }
  });

  it('adding and taking out again gives the text of before', () => {
    const plain = '{\n\t"mcpServers": {\n\t\t"a": { "x": 1 } // so\n\t}\n}';
    for (const text of [file, file.replaceAll('\n', '\r\n'), plain, '{"mcpServers":{"a":{}}}'])
      expect(withoutServer(withServer(text, 'c', entry), 'c')).toBe(text);
  });

  it('starts a file that is empty or not there, keeps a byte order mark and the key that is used', () => {
    expect(serverNames(withServer('', 'a', entry))).toEqual(['a']);
    expect(withServer('\uFEFF{"mcpServers":{}}', 'a', entry).startsWith('\uFEFF{')).toBe(true);
    expect(JSON.parse(withServer('{"servers":{}}', 'a', entry))).toEqual({ servers: { a: entry } });
  });

  it('makes no edit that it does not understand', () => {
    const refused = expect.objectContaining({ code: 'CONFIG_INVALID' });
    for (const text of ['{', '[]', '{"mcpServers": 3}', 'nonsense'])
      expect(() => withServer(text, 'a', entry)).toThrow(refused);
    expect(() => withServer('{"mcpServers":{"a":{"command":"1"},"a":{"command":"2"}}}', 'a', entry)).toThrow(
      refused,
    );
    expect(() => withServer('{}', '__proto__', entry)).toThrow(refused);
    expect(({} as Record<string, unknown>)['command']).toBeUndefined();
    expect(() => withoutServer(file, 'zz')).toThrow(expect.objectContaining({ code: 'SERVER_NOT_FOUND' }));
  });
});
