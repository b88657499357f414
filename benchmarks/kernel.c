/* The limit in practice: gradient descent with the lanes of a block kept in registers for all
   steps, one or more vectors at once, one thread for each core. REAL is double or float. */
#include <pthread.h>

#ifndef BYTES
#define BYTES 64 /* of a vector; the benchmark tries those that the processor has */
#endif
#ifndef BLOCK
#define BLOCK 4 /* independent vectors, to hide the latency of dependent operations; likewise */
#endif
#define LANES (BYTES / sizeof(REAL))

typedef REAL vec __attribute__((vector_size(BYTES), aligned(8)));

typedef struct {
  int parameters;
  REAL *p[4];
  const REAL *eta;
  long lanes, steps;
} job;

static void product_2_2(const job *j) {
  for (long base = 0; base + BLOCK * LANES <= j->lanes; base += BLOCK * LANES) {
    vec x[BLOCK], y[BLOCK], e[BLOCK];
    for (int i = 0; i < BLOCK; i++) {
      x[i] = *(vec *)(j->p[0] + base + i * LANES);
      y[i] = *(vec *)(j->p[1] + base + i * LANES);
      e[i] = *(vec *)(j->eta + base + i * LANES);
    }
    for (long t = 0; t < j->steps; t++)
      for (int i = 0; i < BLOCK; i++) {
        vec q = x[i] * y[i], g = e[i] * q * (q * q - 1), next = x[i] - g * y[i];
        y[i] = y[i] - g * x[i];
        x[i] = next;
      }
    for (int i = 0; i < BLOCK; i++) {
      *(vec *)(j->p[0] + base + i * LANES) = x[i];
      *(vec *)(j->p[1] + base + i * LANES) = y[i];
    }
  }
}

static void product_4(const job *j) {
  for (long base = 0; base + BLOCK * LANES <= j->lanes; base += BLOCK * LANES) {
    vec x[BLOCK], y[BLOCK], z[BLOCK], w[BLOCK], e[BLOCK];
    for (int i = 0; i < BLOCK; i++) {
      x[i] = *(vec *)(j->p[0] + base + i * LANES);
      y[i] = *(vec *)(j->p[1] + base + i * LANES);
      z[i] = *(vec *)(j->p[2] + base + i * LANES);
      w[i] = *(vec *)(j->p[3] + base + i * LANES);
      e[i] = *(vec *)(j->eta + base + i * LANES);
    }
    for (long t = 0; t < j->steps; t++)
      for (int i = 0; i < BLOCK; i++) {
        vec xy = x[i] * y[i], zw = z[i] * w[i], r = e[i] * (xy * zw - 1);
        vec a = r * zw, b = r * xy;
        vec nx = x[i] - a * y[i], ny = y[i] - a * x[i], nz = z[i] - b * w[i];
        w[i] = w[i] - b * z[i];
        x[i] = nx, y[i] = ny, z[i] = nz;
      }
    for (int i = 0; i < BLOCK; i++) {
      *(vec *)(j->p[0] + base + i * LANES) = x[i];
      *(vec *)(j->p[1] + base + i * LANES) = y[i];
      *(vec *)(j->p[2] + base + i * LANES) = z[i];
      *(vec *)(j->p[3] + base + i * LANES) = w[i];
    }
  }
}

static void *work(void *argument) {
  const job *j = argument;
  if (j->parameters == 2)
    product_2_2(j);
  else
    product_4(j);
  return 0;
}

/* Lanes must be a multiple of threads * BLOCK * LANES. */
void run(int parameters, REAL **p, const REAL *eta, long lanes, long steps, int threads) {
  pthread_t thread[256];
  job jobs[256];
  const long share = lanes / threads;
  for (int i = 0; i < threads; i++) {
    jobs[i] = (job){parameters, {0}, eta + i * share, share, steps};
    for (int k = 0; k < parameters; k++) jobs[i].p[k] = p[k] + i * share;
    pthread_create(&thread[i], 0, work, &jobs[i]);
  }
  for (int i = 0; i < threads; i++) pthread_join(thread[i], 0);
}
