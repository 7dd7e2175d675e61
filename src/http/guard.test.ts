import { Hono } from 'hono';
import { describe, expect, it } from 'vitest';
import { type BearerEnv, bearerGuard, hostGuard, sameSecret } from './guard.js';

function guarded(options: Parameters<typeof hostGuard>[0]) {
  const app = new Hono();
  app.use(hostGuard(options));
  app.get('/', (c) => c.text('in'));
  return (headers: Record<string, string>) => app.request('http://unused/', { headers });
}

describe('hostGuard', () => {
  it.each([
    [{ host: 'localhost' }, 200],
    [{ host: 'LOCALHOST:3000' }, 200],
    [{ host: '127.0.0.1:8000' }, 200],
    [{ host: '[::1]:8000' }, 200],
    [{ host: 'localhost', origin: 'http://localhost:5173' }, 200],
    [{ host: 'localhost', origin: 'http://[::1]:5173' }, 200],
    [{ host: 'evil.example' }, 403],
    [{ host: 'localhost.evil.example' }, 403],
    [{ host: 'evil.example@localhost' }, 403],
    [{ host: 'localhost:80:80' }, 403],
    [{ host: '' }, 403],
    [{}, 403],
    [{ host: 'localhost', origin: 'https://evil.example' }, 403],
    [{ host: 'localhost', origin: 'http://localhost.evil.example' }, 403],
    [{ host: 'localhost', origin: 'http://localhost@evil.example' }, 403],
    [{ host: 'localhost', origin: 'null' }, 403],
    [{ host: 'localhost', origin: 'localhost' }, 200],
  ])('by default lets loopback in: %j -> %i', async (headers, status) => {
    expect((await guarded({})(headers)).status).toBe(status);
  });

  it('takes a host with a port as that port alone, and an origin as exactly that origin', async () => {
    const get = guarded({ allowedHosts: ['index.example:8443'], allowedOrigins: ['https://app.example'] });
    expect((await get({ host: 'index.example:8443', origin: 'https://app.example' })).status).toBe(200);
    expect((await get({ host: 'index.example' })).status).toBe(403);
    expect((await get({ host: 'index.example:8443', origin: 'http://app.example' })).status).toBe(403);
  });
});

describe('bearerGuard', () => {
  const app = new Hono<BearerEnv>();
  app.use(bearerGuard({ verify: (token) => (sameSecret(token, 'right') ? 'ada' : undefined) }));
  app.get('/', (c) => c.text(c.get('principal')));

  it('hands the principal on', async () => {
    const answer = await app.request('/', { headers: { authorization: 'Bearer right' } });
    expect(await answer.text()).toBe('ada');
  });

  it.each([undefined, 'Bearer wrong', 'Basic right', 'Bearer', 'right', 'Bearer right right'])(
    'refuses %j',
    async (authorization) => {
      const answer = await app.request(
        '/',
        authorization === undefined ? {} : { headers: { authorization } },
      );
      expect(answer.status).toBe(401);
      expect(answer.headers.get('www-authenticate')).toMatch(/^Bearer/);
      expect(await answer.json()).toMatchObject({ error: { code: 'UNAUTHORIZED' } });
    },
  );
});
