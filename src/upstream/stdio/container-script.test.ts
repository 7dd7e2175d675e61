import { describe, expect, it } from 'vitest';
import { labelScript } from './container-script.js';

const label = 'of=engine:1:2/ab';
const rewritten = (script: string, command = '/bin/sh', flag = '-c') =>
  labelScript(command, [flag, script, 'zero'], label)?.args[1];
const put = (script: string) => script.replaceAll('run@', `run --label=${label}`);

describe('LIF-09 docker run in a shell script', () => {
  it.each([
    'docker run@ -i --rm image',
    'exec docker run@ -i image "$HOME" \'x y\'',
    'cd /tmp && docker run@ -i image',
    'docker pull image; docker run@ -i image',
    'TOKEN=abc DOCKER_HOST=tcp://far:1 exec /usr/bin/docker --context far container run@ -i image',
    'if true; then podman run@ -i a; else podman run@ -i b; fi',
    'set -e\nnerdctl -n space run@ -i image | tee log',
  ])('%s', (script) => {
    expect(rewritten(script.replaceAll('run@', 'run'))).toBe(put(script));
  });

  it.each([
    'docker exec box run it',
    'docker compose run web',
    'echo "docker run -i image"',
    'mydocker run -i image',
    'docker $FLAGS run -i image',
    'docker run',
    './start-in-docker.sh run image',
  ])('is left as it is: %s', (script) => {
    expect(rewritten(script)).toBeUndefined();
  });

  it('knows where the engine is, and other shells and flags', () => {
    const script = 'DOCKER_HOST=tcp://far:1 docker --context far run -i image';
    expect(labelScript('bash', ['-lc', script], label)).toMatchObject({
      engine: 'docker',
      flags: ['--context', 'far'],
      env: { DOCKER_HOST: 'tcp://far:1' },
    });
    expect(labelScript('node', ['-c', script], label)).toBeUndefined();
    expect(labelScript('sh', ['-c', script], 'of=a b')).toBeUndefined();
    expect(labelScript('sh', ['docker run -i x'], label)).toBeUndefined();
  });
});
