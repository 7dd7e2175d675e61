// Fits one vector per vocabulary row so that the normalised sum of a text's rows points where the teacher's vector of
// that text points, and so that texts keep the neighbours that the teacher gives them.
//
//   fit TOKENS TEACHER INIT_TOKENS INIT_TEACHER OUT [--dims 256] [--epochs 12] [--lr 0.002] [--relate 1] [--pairs FILE] [--contrast 0.3] [--seed 7]
//
// TOKENS and INIT_TOKENS: int32 count, then row ids, for each text; TEACHER: 384 float32 for each text. The texts of
// INIT are one vocabulary row each, in row order. FILE: row ids likewise, where every two texts belong together; each
// has to be nearer to the other than to the rest of its batch.  OUT: rows x dims float32. The last 2,000 texts are only checked on.
#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <numeric>
#include <random>
#include <string>
#include <thread>
#include <vector>

using Vec = std::vector<float>;
constexpr int T = 384;
constexpr int B = 512;
static int threads = 2;

template <class Fn> static void parallel(int n, Fn fn) {
  std::vector<std::thread> pool;
  for (int w = 0; w < threads; w++) pool.emplace_back([=] { for (int i = w; i < n; i += threads) fn(i); });
  for (auto& p : pool) p.join();
}

static std::vector<std::vector<int>> readTokens(const char* path, size_t most) {
  std::ifstream in(path, std::ios::binary);
  std::vector<std::vector<int>> out;
  int32_t n;
  while (out.size() < most && in.read(reinterpret_cast<char*>(&n), 4)) {
    std::vector<int> t(n);
    in.read(reinterpret_cast<char*>(t.data()), 4 * n);
    out.push_back(std::move(t));
  }
  return out;
}
static Vec readFloats(const char* path) {
  std::ifstream in(path, std::ios::binary | std::ios::ate);
  Vec out((size_t)in.tellg() / (4 * T) * T);
  in.seekg(0);
  in.read(reinterpret_cast<char*>(out.data()), out.size() * 4);
  return out;
}

// Leading eigenvectors of the second moments (not centred: inner products are what has to survive), by subspace iteration.
static Vec principal(const Vec& x, int dims, std::mt19937& rng) {
  std::vector<double> c((size_t)T * T, 0.0);
  size_t rows = x.size() / T, step = std::max<size_t>(1, rows / 60000);
  for (size_t r = 0; r < rows; r += step)
    for (int i = 0; i < T; i++) {
      double v = x[r * T + i];
      for (int j = 0; j < T; j++) c[(size_t)i * T + j] += v * x[r * T + j];
    }
  // Jacobi rotations: T is small and the result is exact and repeatable.
  std::vector<double> v((size_t)T * T, 0.0);
  for (int i = 0; i < T; i++) v[(size_t)i * T + i] = 1;
  for (int sweep = 0; sweep < 12; sweep++)
    for (int p = 0; p < T; p++)
      for (int q = p + 1; q < T; q++) {
        double apq = c[(size_t)p * T + q];
        if (std::fabs(apq) < 1e-12) continue;
        double theta = (c[(size_t)q * T + q] - c[(size_t)p * T + p]) / (2 * apq);
        double t = (theta >= 0 ? 1 : -1) / (std::fabs(theta) + std::sqrt(theta * theta + 1));
        double co = 1 / std::sqrt(t * t + 1), s = t * co;
        for (int k = 0; k < T; k++) {
          double a = c[(size_t)k * T + p], b = c[(size_t)k * T + q];
          c[(size_t)k * T + p] = co * a - s * b;
          c[(size_t)k * T + q] = s * a + co * b;
        }
        for (int k = 0; k < T; k++) {
          double a = c[(size_t)p * T + k], b = c[(size_t)q * T + k];
          c[(size_t)p * T + k] = co * a - s * b;
          c[(size_t)q * T + k] = s * a + co * b;
        }
        for (int k = 0; k < T; k++) {
          double a = v[(size_t)k * T + p], b = v[(size_t)k * T + q];
          v[(size_t)k * T + p] = co * a - s * b;
          v[(size_t)k * T + q] = s * a + co * b;
        }
      }
  std::vector<int> order(T);
  std::iota(order.begin(), order.end(), 0);
  std::sort(order.begin(), order.end(), [&](int a, int b) { return c[(size_t)a * T + a] > c[(size_t)b * T + b]; });
  double all = 0, kept = 0;
  for (int i = 0; i < T; i++) { all += c[(size_t)order[i] * T + order[i]]; if (i < dims) kept += c[(size_t)order[i] * T + order[i]]; }
  fprintf(stderr, "principal: %.4f kept\n", kept / all);
  Vec out((size_t)dims * T);
  for (int d = 0; d < dims; d++) for (int i = 0; i < T; i++) out[(size_t)d * T + i] = (float)v[(size_t)i * T + order[d]];
  (void)rng;
  return out;
}

static Vec project(const Vec& x, const Vec& basis, int dims) {
  size_t rows = x.size() / T;
  Vec out(rows * dims);
  parallel((int)((rows + 255) / 256), [&](int chunk) {
    for (size_t r = (size_t)chunk * 256; r < std::min(rows, (size_t)(chunk + 1) * 256); r++) {
      float len = 0;
      for (int d = 0; d < dims; d++) {
        float s = 0;
        for (int i = 0; i < T; i++) s += x[r * T + i] * basis[(size_t)d * T + i];
        out[r * dims + d] = s;
        len += s * s;
      }
      len = 1.f / std::sqrt(len + 1e-12f);
      for (int d = 0; d < dims; d++) out[r * dims + d] *= len;
    }
  });
  return out;
}

int main(int argc, char** argv) {
  if (argc < 6) return 2;
  int dims = 256, epochs = 12, seed = 7;
  float lr = 0.002f, relate = 1.f, tau = 0.05f, contrast = 0.3f;
  const char* pairFile = nullptr;
  for (int i = 6; i + 1 < argc; i += 2) {
    std::string k = argv[i];
    double v = atof(argv[i + 1]);
    if (k == "--pairs") pairFile = argv[i + 1];
    else if (k == "--contrast") contrast = (float)v;
    else if (k == "--dims") dims = (int)v;
    else if (k == "--epochs") epochs = (int)v;
    else if (k == "--lr") lr = (float)v;
    else if (k == "--relate") relate = (float)v;
    else if (k == "--tau") tau = (float)v;
    else if (k == "--seed") seed = (int)v;
    else if (k == "--threads") threads = (int)v;
  }
  std::mt19937 rng(seed);
  Vec teacher = readFloats(argv[2]);
  size_t n = teacher.size() / T;
  auto texts = readTokens(argv[1], n);
  n = std::min(n, texts.size());
  Vec basis = principal(teacher, dims, rng);
  Vec target = project(teacher, basis, dims);
  teacher = Vec();
  Vec table = project(readFloats(argv[4]), basis, dims);
  size_t rows = table.size() / dims;
  // Frequent rows start short, as in smooth inverse frequency weighting; the fit finds their length from there.
  {
    std::vector<double> count(rows, 0);
    double total = 0;
    for (auto& t : texts) for (int id : t) { count[id]++; total++; }
    size_t unseen = 0;
    for (size_t r = 0; r < rows; r++) {
      float w = (float)(1e-3 / (1e-3 + count[r] / total));
      if (count[r] == 0) unseen++;
      for (int d = 0; d < dims; d++) table[r * dims + d] *= w;
    }
    fprintf(stderr, "%zu texts, %zu rows (%zu unseen)\n", n, rows, unseen);
  }
  Vec m(table.size(), 0.f), v(table.size(), 0.f);
  std::vector<int> steps(rows, 0);
  std::vector<size_t> order(n > 4000 ? n - 2000 : n);
  std::iota(order.begin(), order.end(), 0);

  auto encodeIds = [&](const std::vector<int>& ids, float* s) {
    for (int d = 0; d < dims; d++) s[d] = 0;
    for (int id : ids) for (int d = 0; d < dims; d++) s[d] += table[(size_t)id * dims + d];
    float len = 0;
    for (int d = 0; d < dims; d++) len += s[d] * s[d];
    len = std::sqrt(len) + 1e-6f;
    for (int d = 0; d < dims; d++) s[d] /= len;
    return len;
  };
  auto encode = [&](size_t text, float* s) { return encodeIds(texts[text], s); };
  auto check = [&](const char* when) {
    double cosine = 0, hits = 0;
    size_t from = order.size(), count = n - from;
    if (count < 2000) return;
    Vec s(count * dims);
    for (size_t i = 0; i < count; i++) {
      encode(from + i, &s[i * dims]);
      for (int d = 0; d < dims; d++) cosine += s[i * dims + d] * target[(from + i) * dims + d];
    }
    for (size_t i = 0; i < 300; i++) {
      std::vector<std::pair<float, int>> a, b;
      for (size_t j = 0; j < count; j++) if (j != i) {
        float x = 0, y = 0;
        for (int d = 0; d < dims; d++) { x += s[i * dims + d] * s[j * dims + d]; y += target[(from + i) * dims + d] * target[(from + j) * dims + d]; }
        a.push_back({x, (int)j}); b.push_back({y, (int)j});
      }
      std::partial_sort(a.begin(), a.begin() + 10, a.end(), std::greater<>());
      std::partial_sort(b.begin(), b.begin() + 10, b.end(), std::greater<>());
      for (int x = 0; x < 10; x++) for (int y = 0; y < 10; y++) hits += a[x].second == b[y].second;
    }
    fprintf(stderr, "%s: cosine %.4f, shared neighbours of 10: %.3f\n", when, cosine / count, hits / 300);
  };
  check("start");

  Vec s((size_t)B * dims), grad((size_t)B * dims), len(B), sim((size_t)B * B);
  std::vector<int> slot(rows, -1);
  Vec rowGrad;
  std::vector<int> touched;
  std::vector<std::vector<int>> pairs;
  if (pairFile) pairs = readTokens(pairFile, 1u << 30);
  std::vector<size_t> pairOrder;
  for (size_t i = 0; i + 1 < pairs.size(); i += 2) if (!pairs[i].empty() && !pairs[i + 1].empty()) pairOrder.push_back(i);
  size_t pairAt = pairOrder.size();
  Vec ps((size_t)2 * B * dims), pg((size_t)2 * B * dims), plen(2 * B), psim((size_t)B * B), pback((size_t)B * B);
  fprintf(stderr, "%zu pairs\n", pairOrder.size());
  size_t batches = order.size() / B, total = batches * epochs, step = 0;
  for (int epoch = 0; epoch < epochs; epoch++) {
    std::shuffle(order.begin(), order.end(), rng);
    double loss = 0, kl = 0, nce = 0;
    for (size_t b = 0; b < batches; b++, step++) {
      const size_t* at = &order[b * B];
      float rate = lr * (step < 200 ? step / 200.f : 1.f) * (0.5f + 0.5f * std::cos(3.14159265f * step / total)) + 1e-6f;
      parallel(B, [&](int i) { len[i] = encode(at[i], &s[(size_t)i * dims]); });
      std::vector<double> rowLoss(B, 0), rowKl(B, 0);
      // Rows of sim: what the student's neighbour distribution has too much of.
      parallel(B, [&](int i) {
        Vec p(B), q(B);
        float pt = -1e9f, qt = -1e9f;
        const float* si = &s[(size_t)i * dims];
        const float* ti = &target[at[i] * dims];
        for (int j = 0; j < B; j++) {
          const float* sj = &s[(size_t)j * dims];
          const float* tj = &target[at[j] * dims];
          float x = 0, y = 0;
          for (int d = 0; d < dims; d++) { x += si[d] * sj[d]; y += ti[d] * tj[d]; }
          q[j] = j == i ? -1e9f : x / tau;
          p[j] = j == i ? -1e9f : y / tau;
          pt = std::max(pt, p[j]); qt = std::max(qt, q[j]);
        }
        float ps = 0, qs = 0;
        for (int j = 0; j < B; j++) { p[j] = std::exp(p[j] - pt); q[j] = std::exp(q[j] - qt); ps += p[j]; qs += q[j]; }
        for (int j = 0; j < B; j++) {
          float a = p[j] / ps, c = q[j] / qs;
          sim[(size_t)i * B + j] = c - a;
          if (a > 1e-12f) rowKl[i] += a * std::log(a / (c + 1e-12f));
        }
      });
      parallel(B, [&](int i) {
        float* g = &grad[(size_t)i * dims];
        const float* si = &s[(size_t)i * dims];
        const float* ti = &target[at[i] * dims];
        float cosine = 0;
        for (int d = 0; d < dims; d++) { g[d] = -ti[d]; cosine += si[d] * ti[d]; }
        rowLoss[i] = 1 - cosine;
        float scale = relate;
        for (int j = 0; j < B; j++) {
          float w = scale * (sim[(size_t)i * B + j] + sim[(size_t)j * B + i]);
          const float* sj = &s[(size_t)j * dims];
          for (int d = 0; d < dims; d++) g[d] += w * sj[d];
        }
        float along = 0;
        for (int d = 0; d < dims; d++) along += g[d] * si[d];
        for (int d = 0; d < dims; d++) g[d] = (g[d] - along * si[d]) / len[i];
      });
      for (int i = 0; i < B; i++) { loss += rowLoss[i] / B; kl += rowKl[i] / B; }
      std::vector<std::pair<const std::vector<int>*, const float*>> parts;
      for (int i = 0; i < B; i++) parts.push_back({&texts[at[i]], &grad[(size_t)i * dims]});
      if (pairOrder.size() >= (size_t)B) {
        if (pairAt + B > pairOrder.size()) { std::shuffle(pairOrder.begin(), pairOrder.end(), rng); pairAt = 0; }
        const size_t* pa = &pairOrder[pairAt];
        pairAt += B;
        parallel(2 * B, [&](int i) { plen[i] = encodeIds(pairs[pa[i % B] + i / B], &ps[(size_t)i * dims]); });
        parallel(B, [&](int i) {
          const float* si = &ps[(size_t)i * dims];
          for (int j = 0; j < B; j++) {
            const float* sj = &ps[(size_t)(B + j) * dims];
            float x = 0;
            for (int d = 0; d < dims; d++) x += si[d] * sj[d];
            psim[(size_t)i * B + j] = x / tau;
          }
        });
        std::vector<double> rowNce(B, 0);
        // Softmax over rows and over columns: left finds right among the batch, and right finds left.
        parallel(B, [&](int i) {
          float top = -1e9f, sum = 0, ctop = -1e9f, csum = 0;
          for (int j = 0; j < B; j++) { top = std::max(top, psim[(size_t)i * B + j]); ctop = std::max(ctop, psim[(size_t)j * B + i]); }
          for (int j = 0; j < B; j++) { sum += std::exp(psim[(size_t)i * B + j] - top); csum += std::exp(psim[(size_t)j * B + i] - ctop); }
          rowNce[i] = -(psim[(size_t)i * B + i] - top - std::log(sum));
          rowLoss[i] = top + std::log(sum);
          rowKl[i] = ctop + std::log(csum);
        });
        parallel(B, [&](int i) {
          for (int j = 0; j < B; j++) {
            float x = psim[(size_t)i * B + j];
            pback[(size_t)i * B + j] = std::exp(x - (float)rowLoss[i]) + std::exp(x - (float)rowKl[j]) - (i == j ? 2.f : 0.f);
          }
        });
        parallel(2 * B, [&](int i) {
          float* g = &pg[(size_t)i * dims];
          const float* si = &ps[(size_t)i * dims];
          for (int d = 0; d < dims; d++) g[d] = 0;
          for (int j = 0; j < B; j++) {
            float w = 0.5f * contrast * (i < B ? pback[(size_t)i * B + j] : pback[(size_t)j * B + i - B]);
            if (std::fabs(w) < 1e-5f) continue;
            const float* sj = &ps[(size_t)(i < B ? B + j : j) * dims];
            for (int d = 0; d < dims; d++) g[d] += w * sj[d];
          }
          float along = 0;
          for (int d = 0; d < dims; d++) along += g[d] * si[d];
          for (int d = 0; d < dims; d++) g[d] = (g[d] - along * si[d]) / plen[i];
        });
        for (int i = 0; i < B; i++) nce += rowNce[i] / B;
        for (int i = 0; i < 2 * B; i++) parts.push_back({&pairs[pa[i % B] + i / B], &pg[(size_t)i * dims]});
      }
      touched.clear();
      for (auto& part : parts) for (int id : *part.first) if (slot[id] < 0) { slot[id] = (int)touched.size(); touched.push_back(id); }
      rowGrad.assign(touched.size() * dims, 0.f);
      // Each thread owns a part of the columns, so that sums are formed in one order and the result is repeatable.
      parallel(threads, [&](int w) {
        int from = dims * w / threads, to = dims * (w + 1) / threads;
        for (auto& part : parts) for (int id : *part.first) {
          float* r = &rowGrad[(size_t)slot[id] * dims];
          const float* g = part.second;
          for (int d = from; d < to; d++) r[d] += g[d];
        }
      });
      parallel((int)touched.size(), [&](int k) {
        int id = touched[k];
        int t = ++steps[id];
        float c1 = 1 - std::pow(0.9f, (float)t), c2 = 1 - std::pow(0.999f, (float)t);
        for (int d = 0; d < dims; d++) {
          size_t x = (size_t)id * dims + d;
          float g = rowGrad[(size_t)k * dims + d] / B;
          m[x] = 0.9f * m[x] + 0.1f * g;
          v[x] = 0.999f * v[x] + 0.001f * g * g;
          table[x] -= rate * (m[x] / c1) / (std::sqrt(v[x] / c2) + 1e-9f);
        }
      });
      for (int id : touched) slot[id] = -1;
    }
    fprintf(stderr, "epoch %d: 1-cos %.4f, kl %.4f, contrast %.4f ", epoch + 1, loss / batches, kl / batches, nce / batches);
    check("held out");
    FILE* out = fopen(argv[5], "wb");
    fwrite(table.data(), 4, table.size(), out);
    fclose(out);
  }
}
