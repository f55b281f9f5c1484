import { z } from 'zod';

/** Import first where a content security policy forbids `eval`: zod then does not try to compile its checks. */
z.config({ jitless: true });
