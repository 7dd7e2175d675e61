// Runs all-MiniLM-L6-v2 (BERT, 6 layers, mean pooling, normalised) over texts that are already token ids.
// One file and no library, so that the table can be made again wherever there is a C++ compiler.
//
//   teacher WEIGHTS.safetensors TOKENS OUT [THREADS]
//
// TOKENS: int32 count, then `count` ids for each text (with [CLS] and [SEP]). OUT: 384 float32 for each text, in
// order; a shorter OUT of an earlier run is continued, so the work may be stopped at any time.
#include <immintrin.h>
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <thread>
#include <vector>
#include <atomic>

constexpr int D = 384, F = 1536, H = 12, HD = 32, LAYERS = 6;
using Vec = std::vector<float>;

struct Weights {
  std::string header;
  std::vector<char> data;
  Vec get(const std::string& name) const {
    size_t at = header.find("\"" + name + "\"");
    if (at == std::string::npos) { fprintf(stderr, "missing %s\n", name.c_str()); exit(1); }
    size_t off = header.find("data_offsets", at);
    size_t from = 0, to = 0;
    sscanf(header.c_str() + header.find('[', off), "[%zu,%zu]", &from, &to);
    Vec out((to - from) / 2);
    const uint16_t* half = reinterpret_cast<const uint16_t*>(data.data() + from);
    for (size_t i = 0; i < out.size(); i++) out[i] = _cvtsh_ss(half[i]);
    return out;
  }
};

// Output columns in panels of 16, so that the inner loop reads memory in order.
struct Dense {
  int n, k;
  float* panels;
  Vec bias;
  Dense(const Weights& w, const std::string& name, int n, int k) : n(n), k(k), bias(w.get(name + ".bias")) {
    Vec raw = w.get(name + ".weight");
    panels = static_cast<float*>(aligned_alloc(64, sizeof(float) * n * k));
    for (int p = 0; p < n / 16; p++)
      for (int i = 0; i < k; i++)
        for (int j = 0; j < 16; j++) panels[(size_t)p * k * 16 + i * 16 + j] = raw[(size_t)(p * 16 + j) * k + i];
  }
  template <int R>
  void block(const float* a, const float* panel, const float* b, float* c) const {
    __m256 lo[R], hi[R];
    for (int r = 0; r < R; r++) { lo[r] = _mm256_loadu_ps(b); hi[r] = _mm256_loadu_ps(b + 8); }
    for (int i = 0; i < k; i++) {
      __m256 w0 = _mm256_load_ps(panel + i * 16), w1 = _mm256_load_ps(panel + i * 16 + 8);
      for (int r = 0; r < R; r++) {
        __m256 x = _mm256_broadcast_ss(a + (size_t)r * k + i);
        lo[r] = _mm256_fmadd_ps(x, w0, lo[r]);
        hi[r] = _mm256_fmadd_ps(x, w1, hi[r]);
      }
    }
    for (int r = 0; r < R; r++) { _mm256_storeu_ps(c + (size_t)r * n, lo[r]); _mm256_storeu_ps(c + (size_t)r * n + 8, hi[r]); }
  }
  void run(const float* a, float* c, int rows) const {
    for (int p = 0; p < n / 16; p++) {
      const float* panel = panels + (size_t)p * k * 16;
      int r = 0;
      for (; r + 6 <= rows; r += 6) block<6>(a + (size_t)r * k, panel, &bias[p * 16], c + (size_t)r * n + p * 16);
      for (; r < rows; r++) block<1>(a + (size_t)r * k, panel, &bias[p * 16], c + (size_t)r * n + p * 16);
    }
  }
};

struct Norm {
  Vec g, b;
  Norm(const Weights& w, const std::string& name) : g(w.get(name + ".weight")), b(w.get(name + ".bias")) {}
  void run(float* x, int rows) const {
    for (int r = 0; r < rows; r++, x += D) {
      float mean = 0, var = 0;
      for (int i = 0; i < D; i++) mean += x[i];
      mean /= D;
      for (int i = 0; i < D; i++) var += (x[i] - mean) * (x[i] - mean);
      float inv = 1.f / std::sqrt(var / D + 1e-12f);
      for (int i = 0; i < D; i++) x[i] = (x[i] - mean) * inv * g[i] + b[i];
    }
  }
};

// Abramowitz-Stegun 7.1.26: 1.5e-7 off at most, and the compiler can vectorise it.
static void gelu(float* x, size_t n) {
#pragma omp simd
  for (size_t i = 0; i < n; i++) {
    float z = std::fabs(x[i]) * 0.70710678f;
    float t = 1.f / (1.f + 0.3275911f * z);
    float e = 1.f - ((((1.061405429f * t - 1.453152027f) * t + 1.421413741f) * t - 0.284496736f) * t + 0.254829592f) * t * expf(-z * z);
    x[i] = 0.5f * x[i] * (1.f + (x[i] < 0 ? -e : e));
  }
}

struct Layer {
  Dense q, k, v, o, up, down;
  Norm n1, n2;
  Layer(const Weights& w, const std::string& p)
      : q(w, p + "attention.self.query", D, D), k(w, p + "attention.self.key", D, D), v(w, p + "attention.self.value", D, D),
        o(w, p + "attention.output.dense", D, D), up(w, p + "intermediate.dense", F, D), down(w, p + "output.dense", D, F),
        n1(w, p + "attention.output.LayerNorm"), n2(w, p + "output.LayerNorm") {}
};

struct Model {
  Vec words, positions, types;
  Norm norm;
  std::vector<Layer> layers;
  Model(const Weights& w)
      : words(w.get("embeddings.word_embeddings.weight")), positions(w.get("embeddings.position_embeddings.weight")),
        types(w.get("embeddings.token_type_embeddings.weight")), norm(w, "embeddings.LayerNorm") {
    for (int i = 0; i < LAYERS; i++) layers.emplace_back(w, "encoder.layer." + std::to_string(i) + ".");
  }
  // Texts lie one behind the other without padding; only attention looks at where each begins.
  void run(const std::vector<const std::vector<int>*>& texts, std::vector<float*>& out) const {
    int rows = 0;
    for (auto* t : texts) rows += t->size();
    Vec x((size_t)rows * D), q(x.size()), k(x.size()), v(x.size()), y(x.size()), f((size_t)rows * F);
    int r = 0;
    for (auto* t : texts)
      for (size_t p = 0; p < t->size(); p++, r++)
        for (int i = 0; i < D; i++) x[(size_t)r * D + i] = words[(size_t)(*t)[p] * D + i] + positions[p * D + i] + types[i];
    norm.run(x.data(), rows);
    for (const Layer& l : layers) {
      l.q.run(x.data(), q.data(), rows);
      l.k.run(x.data(), k.data(), rows);
      l.v.run(x.data(), v.data(), rows);
      int at = 0;
      for (auto* t : texts) {
        int n = t->size();
        std::vector<float> s(n);
        for (int h = 0; h < H; h++)
          for (int a = 0; a < n; a++) {
            const float* qa = &q[(size_t)(at + a) * D + h * HD];
            float top = -1e30f, sum = 0;
            for (int b = 0; b < n; b++) {
              const float* kb = &k[(size_t)(at + b) * D + h * HD];
              float dot = 0;
              for (int i = 0; i < HD; i++) dot += qa[i] * kb[i];
              s[b] = dot * 0.17677670f;
              top = std::max(top, s[b]);
            }
            for (int b = 0; b < n; b++) { s[b] = expf(s[b] - top); sum += s[b]; }
            float* ya = &y[(size_t)(at + a) * D + h * HD];
            for (int i = 0; i < HD; i++) ya[i] = 0;
            for (int b = 0; b < n; b++) {
              const float* vb = &v[(size_t)(at + b) * D + h * HD];
              float weight = s[b] / sum;
              for (int i = 0; i < HD; i++) ya[i] += weight * vb[i];
            }
          }
        at += n;
      }
      l.o.run(y.data(), q.data(), rows);
      for (size_t i = 0; i < x.size(); i++) x[i] += q[i];
      l.n1.run(x.data(), rows);
      l.up.run(x.data(), f.data(), rows);
      gelu(f.data(), f.size());
      l.down.run(f.data(), q.data(), rows);
      for (size_t i = 0; i < x.size(); i++) x[i] += q[i];
      l.n2.run(x.data(), rows);
    }
    int at = 0;
    for (size_t t = 0; t < texts.size(); t++) {
      int n = texts[t]->size();
      float* o = out[t];
      for (int i = 0; i < D; i++) o[i] = 0;
      for (int p = 0; p < n; p++, at++)
        for (int i = 0; i < D; i++) o[i] += x[(size_t)at * D + i];
      float len = 0;
      for (int i = 0; i < D; i++) len += o[i] * o[i];
      len = 1.f / std::sqrt(len);
      for (int i = 0; i < D; i++) o[i] *= len;
    }
  }
};

int main(int argc, char** argv) {
  if (argc < 4) { fprintf(stderr, "teacher WEIGHTS TOKENS OUT [THREADS]\n"); return 2; }
  int threads = argc > 4 ? atoi(argv[4]) : 1;
  Weights w;
  {
    std::ifstream in(argv[1], std::ios::binary);
    uint64_t n = 0;
    in.read(reinterpret_cast<char*>(&n), 8);
    w.header.resize(n);
    in.read(w.header.data(), n);
    w.data.assign(std::istreambuf_iterator<char>(in), {});
  }
  Model model(w);
  std::vector<std::vector<int>> texts;
  {
    std::ifstream in(argv[2], std::ios::binary);
    int32_t n;
    while (in.read(reinterpret_cast<char*>(&n), 4)) {
      std::vector<int> t(n);
      in.read(reinterpret_cast<char*>(t.data()), 4 * n);
      texts.push_back(std::move(t));
    }
  }
  size_t done = 0;
  {
    std::ifstream old(argv[3], std::ios::binary | std::ios::ate);
    if (old) done = (size_t)old.tellg() / (D * 4);
  }
  FILE* out = fopen(argv[3], "r+b");
  if (!out) out = fopen(argv[3], "w+b");
  fseek(out, (long)(done * D * 4), SEEK_SET);
  const size_t SLICE = 2048;
  for (; done < texts.size(); done += SLICE) {
    size_t count = std::min(SLICE, texts.size() - done);
    Vec result(count * D);
    std::vector<std::vector<size_t>> chunks(1);
    int rows = 0;
    for (size_t i = 0; i < count; i++) {
      if (rows > 240) { chunks.emplace_back(); rows = 0; }
      chunks.back().push_back(i);
      rows += texts[done + i].size();
    }
    std::atomic<size_t> next{0};
    auto work = [&] {
      for (size_t c; (c = next++) < chunks.size();) {
        std::vector<const std::vector<int>*> t;
        std::vector<float*> o;
        for (size_t i : chunks[c]) { t.push_back(&texts[done + i]); o.push_back(&result[i * D]); }
        model.run(t, o);
      }
    };
    std::vector<std::thread> pool;
    for (int i = 0; i < threads; i++) pool.emplace_back(work);
    for (auto& p : pool) p.join();
    fwrite(result.data(), 4, result.size(), out);
    fflush(out);
    fprintf(stderr, "\r%zu / %zu", done + count, texts.size());
  }
  fprintf(stderr, "\n");
  fclose(out);
}
