/* The plain part of a Cortex-M0+: instructions that touch registers, RAM, flash and ROM, and the divider beside
 * the processor (MicroPython divides in every step of a loop), and nothing else.
 *
 * `run` stops before the first instruction that does more (a peripheral, an exception, sleep, a special
 * register): that one is rp2040py's own to carry out. Results, flags and cycles are those of rp2040py's core,
 * instruction by instruction (test_core.py). Called by: quick.py.
 */
#include <stdint.h>
#include <string.h>

struct core {
    uint32_t *r;
    uint8_t *ram, *flash;
    uint8_t *rom;
    uint32_t ram_size, flash_size, rom_size;
    uint32_t n, z, c, v, masked;
    uint32_t pending, handler; /* an exception waits for the mask; in handler mode */
    uint32_t help;             /* the next instruction is not ours */
    uint32_t dividend, divisor, quotient, remainder, csr; /* of the divider; rp2040py's SIO shares them */
};

#define RAM 0x20000000u
#define FLASH 0x10000000u
#define DIVIDER 0xD0000060u

typedef struct core *C;

static inline uint8_t *readable(C k, uint32_t a, uint32_t size) {
    if (a - RAM <= k->ram_size - size) return k->ram + (a - RAM);
    if (a - FLASH <= k->flash_size - size) return k->flash + (a - FLASH);
    if (a <= k->rom_size - size) return k->rom + a;
    return 0;
}
static inline uint8_t *writable(C k, uint32_t a, uint32_t size) {
    return a - RAM <= k->ram_size - size ? k->ram + (a - RAM) : 0;
}
static inline uint32_t get4(const uint8_t *p) { uint32_t x; memcpy(&x, p, 4); return x; }
static inline uint32_t get2(const uint8_t *p) { uint16_t x; memcpy(&x, p, 2); return x; }
static inline void put4(uint8_t *p, uint32_t x) { memcpy(p, &x, 4); }
static inline void put2(uint8_t *p, uint32_t x) { uint16_t y = (uint16_t)x; memcpy(p, &y, 2); }

static inline uint32_t nz(C k, uint32_t x) { k->n = x >> 31; k->z = x == 0; return x; }
static inline uint32_t add(C k, uint32_t a, uint64_t b) {
    uint64_t sum = (uint64_t)a + b;
    uint32_t low = (uint32_t)sum;
    k->c = sum != low;
    k->v = (int64_t)(int32_t)low != (int64_t)(int32_t)a + (int64_t)(int32_t)(uint32_t)b;
    return nz(k, low);
}
static inline uint32_t sub(C k, uint32_t a, uint64_t b) {
    uint32_t low = (uint32_t)(a - b), b4 = (uint32_t)b;
    k->c = (uint64_t)a >= b;
    k->v = (low >> 31 && !(a >> 31) && b4 >> 31) || (!(low >> 31) && a >> 31 && !(b4 >> 31));
    return nz(k, low);
}
static int holds(C k, uint32_t cond) {
    int yes = 0;
    switch (cond >> 1) {
    case 0: yes = k->z; break;
    case 1: yes = k->c; break;
    case 2: yes = k->n; break;
    case 3: yes = k->v; break;
    case 4: yes = k->c && !k->z; break;
    case 5: yes = k->n == k->v; break;
    case 6: yes = k->n == k->v && !k->z; break;
    }
    return cond & 1 ? !yes : yes;
}

/* The sixteen operations on two low registers; r[d] = r[d] op r[m]. */
static void data(C k, uint32_t op) {
    uint32_t *r = k->r, d = op & 7, m = r[op >> 3 & 7], a = r[d], s;
    switch (op >> 6 & 15) {
    case 0: r[d] = nz(k, a & m); break;
    case 1: r[d] = nz(k, a ^ m); break;
    case 2:
        s = m & 255;
        r[d] = nz(k, s >= 32 ? 0 : a << s);
        if (s) k->c = a >> ((32 - s) & 31) & 1;
        break;
    case 3:
        s = m & 255;
        r[d] = nz(k, s >= 32 ? 0 : a >> s);
        k->c = s <= 32 ? a >> ((s - 1) & 31) & 1 : 0;
        break;
    case 4:
        s = m & 255;
        if (s > 32) s = 32;
        r[d] = nz(k, s < 32 ? (uint32_t)((int32_t)a >> s) : (uint32_t)-(int32_t)(a >> 31));
        k->c = a >> ((s - 1) & 31) & 1;
        break;
    case 5: r[d] = add(k, m, (uint64_t)a + k->c); break;
    case 6: r[d] = sub(k, a, (uint64_t)m + !k->c); break;
    case 7:
        s = m & 31;
        r[d] = nz(k, s ? a >> s | a << (32 - s) : a);
        k->c = k->n;
        break;
    case 8: nz(k, a & m); break;
    case 9: r[d] = sub(k, 0, m); break;
    case 10: sub(k, a, m); break;
    case 11: add(k, a, m); break;
    case 12: r[d] = nz(k, a | m); break;
    case 13: r[d] = nz(k, a * m); break;
    case 14: r[d] = nz(k, a & ~m); break;
    case 15: r[d] = nz(k, ~m); break;
    }
}

/* The divider's registers: unsigned and signed dividend and divisor (0 to 3), quotient, remainder, and its state.
 * Results are there at once, as in rp2040py. */
static int divider(C k, int store, uint32_t number, uint32_t t) {
    uint32_t *r = k->r, n = k->dividend, d = k->divisor;
    if (!store) {
        switch (number) {
        case 0: case 2: r[t] = n; break;
        case 1: case 3: r[t] = d; break;
        case 4: r[t] = k->quotient; k->csr &= ~2u; break;
        case 5: r[t] = k->remainder; break;
        case 6: r[t] = k->csr; break;
        }
        return 1;
    }
    switch (number) {
    case 0: case 2: n = k->dividend = r[t]; break;
    case 1: case 3: d = k->divisor = r[t]; break;
    case 4: k->quotient = r[t]; break;
    case 5: k->remainder = r[t]; break;
    default: return 0;
    }
    k->csr = 3;
    if (number >= 4) return 1;
    if (!d) {
        k->quotient = n ? 0xFFFFFFFFu : 1;
        k->remainder = n;
    } else if (number & 2) {
        k->quotient = (uint32_t)((int64_t)(int32_t)n / (int32_t)d);
        k->remainder = (uint32_t)((int64_t)(int32_t)n % (int32_t)d);
    } else {
        k->quotient = n / d;
        k->remainder = n % d;
    }
    return 1;
}

/* One load or store: kind 0 str 1 strh 2 strb 3 ldrsb 4 ldr 5 ldrh 6 ldrb 7 ldrsh. 0 when it is not ours. */
static int memory(C k, uint32_t kind, uint32_t a, uint32_t t) {
    static const uint8_t sizes[8] = {4, 2, 1, 1, 4, 2, 1, 2};
    uint32_t size = sizes[kind];
    uint8_t *p = kind < 3 ? writable(k, a, size) : readable(k, a, size);
    if (!p && size == 4 && !(a & 3) && a - DIVIDER < 28) return divider(k, kind == 0, (a - DIVIDER) / 4, t);
    if (!p || a & (size - 1)) return 0;
    switch (kind) {
    case 0: put4(p, k->r[t]); break;
    case 1: put2(p, k->r[t]); break;
    case 2: *p = (uint8_t)k->r[t]; break;
    case 3: k->r[t] = (uint32_t)(int32_t)(int8_t)*p; break;
    case 4: k->r[t] = get4(p); break;
    case 5: k->r[t] = get2(p); break;
    case 6: k->r[t] = *p; break;
    case 7: k->r[t] = (uint32_t)(int32_t)(int16_t)get2(p); break;
    }
    return 2;
}

/* LDM and STM of low registers. */
static int many(C k, uint32_t op) {
    uint32_t *r = k->r, n = op >> 8 & 7, list = op & 255, a = r[n];
    uint32_t size = 4 * (uint32_t)__builtin_popcount(list);
    uint8_t *p = op & 0x800 ? readable(k, a, size) : writable(k, a, size);
    if (!p || a & 3 || !list) return 0;
    for (int i = 0; i < 8; i++)
        if (list >> i & 1) {
            if (op & 0x800) r[i] = get4(p); else put4(p, r[i]);
            p += 4;
        }
    if (!(list >> n & 1)) r[n] = a + size;
    return 1 + (int)size / 4;
}

static int push(C k, uint32_t op) {
    uint32_t *r = k->r, count = (uint32_t)__builtin_popcount(op & 0x1FF), a = r[13] - 4 * count;
    uint8_t *p = writable(k, a, 4 * count);
    if (!p || a & 3 || !count) return 0;
    for (int i = 0; i < 8; i++)
        if (op >> i & 1) { put4(p, r[i]); p += 4; }
    if (op & 0x100) put4(p, r[14]);
    r[13] = a & ~3u;
    return 1 + __builtin_popcount(op & 0xFF);
}

static int pop(C k, uint32_t op) {
    uint32_t *r = k->r, count = (uint32_t)__builtin_popcount(op & 0x1FF), a = r[13];
    uint8_t *p = readable(k, a, 4 * count);
    if (!p || a & 3 || !count) return 0;
    if (op & 0x100 && k->handler && get4(p + 4 * count - 4) >> 28 == 15) return 0;
    for (int i = 0; i < 8; i++)
        if (op >> i & 1) { r[i] = get4(p); p += 4; }
    r[13] = (a + 4 * count) & ~3u;
    if (op & 0x100) r[15] = get4(p) & ~1u;
    return 1 + __builtin_popcount(op & 0xFF) + (op & 0x100 ? 2 : 0);
}

static int high(C k, uint32_t op) {
    uint32_t *r = k->r, m = op >> 3 & 15, d = (op >> 4 & 8) | (op & 7), x, y;
    switch (op >> 8 & 3) {
    case 0:
        x = (d == 15 ? r[15] + 2 : r[d]) + (m == 15 ? r[15] + 2 : r[m]);
        r[d] = d == 15 ? x & ~1u : d == 13 ? x & ~3u : x;
        return d == 15 ? 2 : 1;
    case 1:
        sub(k, r[d], r[m]);
        return 1;
    case 2:
        y = m == 15 ? r[15] + 2 : r[m];
        r[d] = d == 15 ? y & ~1u : d == 13 ? y & ~3u : y;
        return d == 15 ? 2 : 1;
    }
    if (op & 7) return 0;
    x = r[m];
    if (op & 0x80) {
        r[14] = r[15] | 1;
        x = r[m];
    } else if (k->handler && x >> 28 == 15)
        return 0;
    r[15] = x & ~1u;
    return 2;
}

static int wide(C k, uint32_t op, uint32_t op2) {
    uint32_t *r = k->r;
    if (op >> 11 == 0x1E && op2 >> 14 == 3 && op2 >> 12 & 1) { /* BL */
        uint32_t s = op >> 10 & 1, i1 = 1 - (s ^ (op2 >> 13 & 1)), i2 = 1 - (s ^ (op2 >> 11 & 1));
        uint32_t off = (s ? 0xFFu << 24 : 0) | i1 << 23 | i2 << 22 | (op & 0x3FF) << 12 | (op2 & 0x7FF) << 1;
        r[14] = (r[15] + 2) | 1;
        r[15] = r[15] + 2 + off;
        return 3;
    }
    if (op == 0xF3BF && op2 >> 8 == 0x8F) { /* barriers */
        uint32_t kind = op2 >> 4 & 15;
        if (kind < 4 || kind > 6) return 0;
    } else if (op == 0xF3EF && op2 >> 12 == 8 && (op2 & 255) == 16) { /* MRS, PRIMASK */
        if ((op2 >> 8 & 15) > 12) return 0;
        r[op2 >> 8 & 15] = k->masked;
    } else if (op >> 4 == 0xF38 && op2 == 0x8810) { /* MSR, PRIMASK */
        if (k->pending) return 0;
        k->masked = r[op & 15] & 1;
    } else
        return 0;
    r[15] += 2;
    return 3;
}

static int misc(C k, uint32_t op) { /* 1011 xxxx */
    uint32_t *r = k->r, m = r[op >> 3 & 7], d = op & 7;
    switch (op >> 8 & 15) {
    case 0: r[13] = (op & 0x80 ? r[13] - ((op & 0x7F) << 2) : r[13] + ((op & 0x7F) << 2)) & ~3u; return 1;
    case 2:
        switch (op >> 6 & 3) {
        case 0: r[d] = (uint32_t)(int32_t)(int16_t)m; break;
        case 1: r[d] = (uint32_t)(int32_t)(int8_t)m; break;
        case 2: r[d] = m & 0xFFFF; break;
        case 3: r[d] = m & 0xFF; break;
        }
        return 1;
    case 4: case 5: return push(k, op);
    case 6:
        if (op == 0xB672) { k->masked = 1; return 1; }
        if (op == 0xB662 && !k->pending) { k->masked = 0; return 1; }
        return 0;
    case 10:
        switch (op >> 6 & 3) {
        case 0: r[d] = __builtin_bswap32(m); return 1;
        case 1: r[d] = (m & 0xFF00FF) << 8 | (m >> 8 & 0xFF00FF); return 1;
        case 3: r[d] = (uint32_t)(int32_t)(int16_t)((m & 255) << 8 | (m >> 8 & 255)); return 1;
        }
        return 0;
    case 12: case 13: return pop(k, op);
    case 15: return op == 0xBF00;
    }
    return 0;
}

static int shift(C k, uint32_t op) { /* by a constant; add and subtract */
    uint32_t *r = k->r, d = op & 7, a = r[op >> 3 & 7], s = op >> 6 & 31, b;
    switch (op >> 11) {
    case 0:
        if (s) k->c = a >> (32 - s) & 1;
        r[d] = nz(k, a << s);
        return 1;
    case 1:
        k->c = a >> (s ? s - 1 : 31) & 1;
        r[d] = nz(k, s ? a >> s : 0);
        return 1;
    case 2:
        k->c = a >> (s ? s - 1 : 31) & 1;
        r[d] = nz(k, s ? (uint32_t)((int32_t)a >> s) : (uint32_t)-(int32_t)(a >> 31));
        return 1;
    }
    b = op & 0x400 ? op >> 6 & 7 : r[op >> 6 & 7];
    r[d] = op & 0x200 ? sub(k, a, b) : add(k, a, b);
    return 1;
}

static int branch(C k, uint32_t op) {
    uint32_t cond = op >> 8 & 15;
    if (cond >= 14) return 0;
    if (!holds(k, cond)) return 1;
    k->r[15] += (uint32_t)((int32_t)(int8_t)(op & 255) * 2) + 2;
    return 2;
}

static int single(C k, uint32_t op) {
    uint32_t *r = k->r, d = op >> 8 & 7, imm = op & 255, n = r[op >> 3 & 7], five = op >> 6 & 31;
    switch (op >> 11) {
    case 0: case 1: case 2: case 3: return shift(k, op);
    case 4: r[d] = nz(k, imm); return 1;
    case 5: sub(k, r[d], imm); return 1;
    case 6: r[d] = add(k, r[d], imm); return 1;
    case 7: r[d] = sub(k, r[d], imm); return 1;
    case 8:
        if (op & 0x400) return high(k, op);
        data(k, op);
        return 1;
    case 9: return memory(k, 4, ((r[15] + 2) & ~3u) + (imm << 2), d);
    case 10: case 11: return memory(k, op >> 9 & 7, n + r[op >> 6 & 7], op & 7);
    case 12: return memory(k, 0, n + (five << 2), op & 7);
    case 13: return memory(k, 4, n + (five << 2), op & 7);
    case 14: return memory(k, 2, n + five, op & 7);
    case 15: return memory(k, 6, n + five, op & 7);
    case 16: return memory(k, 1, n + (five << 1), op & 7);
    case 17: return memory(k, 5, n + (five << 1), op & 7);
    case 18: return memory(k, 0, r[13] + (imm << 2), d);
    case 19: return memory(k, 4, r[13] + (imm << 2), d);
    case 20: r[d] = ((r[15] - 2) & ~3u) + 4 + (imm << 2); return 1;
    case 21: r[d] = r[13] + (imm << 2); return 1;
    case 22: case 23: return misc(k, op);
    case 24: case 25: return many(k, op);
    case 26: case 27: return branch(k, op);
    case 28: r[15] += ((op & 0x7FF) << 1) - (op & 0x400 ? 0x1000u : 0) + 2; return 2;
    }
    return 0;
}

/* Run until so many cycles are over or help is needed; how many cycles it was. */
int64_t run(C k, int64_t budget) {
    uint32_t *r = k->r;
    int64_t cycles = 0;
    k->help = 0;
    while (cycles < budget) {
        uint32_t pc = r[15] & ~1u, before = r[15], op, op2;
        uint8_t *code = readable(k, pc, 2);
        int took;
        if (!code) break;
        op = get2(code);
        r[15] += 2;
        if (op >> 12 == 15) {
            code = readable(k, pc + 2, 2);
            op2 = code ? get2(code) : 0;
            took = wide(k, op, op2);
        } else
            took = single(k, op);
        if (!took) {
            r[15] = before;
            k->help = 1;
            return cycles;
        }
        cycles += took;
    }
    if (cycles < budget) k->help = 1;
    return cycles;
}
