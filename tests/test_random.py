"""Threefry against its published vectors and an independent one; statistics of a million draws."""

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st
from keras import ops
from scipy import stats

from keras_vae import random

WORD = 0xFFFFFFFF
words = st.integers(0, WORD)
row_seed_lists = st.lists(st.integers(-(2**31), 2**31 - 1), min_size=1, max_size=6)
PUBLISHED = [
    ((0, 0), (0, 0), (0x6B200159, 0x99BA4EFE)),
    ((WORD, WORD), (WORD, WORD), (0x1CB996FC, 0xBB002BE7)),
    ((0x13198A2E, 0x03707344), (0x243F6A88, 0x85A308D3), (0xC4923A9C, 0x483DF7A0)),
]


def reference_threefry(key, counter):
    """Threefry-2x32-20 round by round, in 64-bit words that are cut to 32 bits."""
    mask = np.uint64(WORD)
    key = [np.asarray(word, np.uint64) for word in key]
    key.append(np.uint64(0x1BD11BDA) ^ key[0] ^ key[1])
    left, right = (np.asarray(word, np.uint64) for word in counter)
    left, right = (left + key[0]) & mask, (right + key[1]) & mask
    for done in range(1, 21):
        turn = np.uint64((13, 15, 26, 6, 17, 29, 16, 24)[(done - 1) % 8])
        left = (left + right) & mask
        right = ((right << turn) | (right >> (np.uint64(32) - turn))) & mask
        right ^= left
        if done % 4 == 0:
            injection = done // 4
            left = (left + key[injection % 3]) & mask
            right = (right + key[(injection + 1) % 3] + np.uint64(injection)) & mask
    return left, right


def reference_words(seeds, dim, samples, stream):
    """The words `(K, B, dim)` that the draws of `random.bits` document."""
    seeds = np.asarray(seeds, np.int64).astype(np.uint64) & np.uint64(WORD)
    d, k = np.arange(dim), np.asarray(samples)
    rows = np.broadcast_to(seeds[None, :, None], (len(k), len(seeds), dim))
    key = (rows, np.full(rows.shape, stream, np.uint64))
    counter = (np.broadcast_to(d // 2, rows.shape), np.broadcast_to(k[:, None, None], rows.shape))
    first, second = reference_threefry(key, counter)
    return np.where(d % 2 == 0, first, second)


def assert_standard_normal(values):
    """Mean, variance, third and fourth moment within four standard errors, and the whole shape."""
    values = np.asarray(values, np.float64).ravel()
    for moment, (expected, variance) in {1: (0, 1), 2: (1, 2), 3: (0, 15), 4: (3, 96)}.items():
        error = np.mean(values**moment) - expected
        assert abs(error) < 4 * np.sqrt(variance / values.size), f"moment {moment}"
    assert stats.kstest(values, "norm").pvalue > 1e-4


def assert_uncorrelated(columns):
    """n r^2 of independent columns sum to chi-squared, and no pair stands out."""
    n, count = columns.shape
    r = np.corrcoef(np.asarray(columns, np.float64), rowvar=False)[np.triu_indices(count, 1)]
    assert 1e-4 < stats.chi2.sf(n * np.sum(r**2), r.size) < 1 - 1e-4
    threshold = stats.norm.isf(1e-4 / (2 * r.size))
    assert np.abs(r).max() < threshold / np.sqrt(n)


@pytest.mark.parametrize("as_tensor", [False, True], ids=["numpy", "tensor"])
@pytest.mark.parametrize(("key", "counter", "expected"), PUBLISHED)
def test_threefry_gives_the_published_vectors(key, counter, expected, as_tensor):
    convert = tf.constant if as_tensor else np.array
    pairs = [[convert([word], "uint32") for word in pair] for pair in (key, counter)]
    assert tuple(int(word[0]) for word in random.threefry2x32(*pairs)) == expected


@pytest.mark.parametrize(("key", "counter", "expected"), PUBLISHED)
def test_the_reference_gives_the_published_vectors(key, counter, expected):
    assert tuple(int(word) for word in reference_threefry(key, counter)) == expected


@given(key=st.tuples(words, words), counter=st.tuples(words, words))
def test_threefry_equals_the_reference_for_any_words(key, counter):
    given_words = [[np.array([word], np.uint32) for word in pair] for pair in (key, counter)]
    result = [int(word[0]) for word in random.threefry2x32(*given_words)]
    assert result == [int(word) for word in reference_threefry(key, counter)]


@given(seeds=row_seed_lists, dim=st.integers(1, 9), stream=st.integers(0, 4), first=words)
def test_draws_are_the_documented_function_of_seed_sample_and_dimension(seeds, dim, stream, first):
    samples = np.array([first % 2**31, 0, 3], np.int32)
    expected = (reference_words(seeds, dim, samples, stream) >> np.uint64(9)) + 0.5
    uniforms = random.uniforms(np.array(seeds, np.int32), dim, samples, stream)
    np.testing.assert_array_equal(np.asarray(uniforms, np.float64), expected * 2.0**-23)


def test_normals_are_box_muller_of_the_words():
    seeds, samples = random.row_seeds(3, 500), np.arange(4, dtype=np.int32)
    uniforms = (reference_words(seeds, 8, samples, random.LATENT) >> np.uint64(9)) + 0.5
    first, second = (uniforms[..., start::2] * 2.0**-23 for start in (0, 1))
    radius = np.sqrt(-2 * np.log(first))
    expected = np.stack([radius * np.cos(2 * np.pi * second), radius * np.sin(2 * np.pi * second)])
    normals = np.asarray(random.normals(seeds, 8, samples))
    np.testing.assert_allclose(normals[..., 0::2], expected[0], atol=3e-6)
    np.testing.assert_allclose(normals[..., 1::2], expected[1], atol=3e-6)


@pytest.mark.parametrize("seed", [0, 1, 7])
def test_a_million_normals_of_one_seed(seed):
    normals = np.asarray(random.normals(random.row_seeds(seed, 10_000), dim=100))
    assert_standard_normal(normals)
    assert_uncorrelated(normals)


def test_a_million_uniforms_of_one_seed():
    uniforms = np.asarray(random.uniforms(random.row_seeds(5, 10_000), dim=100))
    assert uniforms.min() > 0 and uniforms.max() < 1
    assert stats.kstest(uniforms.ravel().astype(np.float64), "uniform").pvalue > 1e-4
    assert_uncorrelated(uniforms)


def test_a_million_normals_over_many_samples():
    samples = np.arange(50, dtype=np.int32)
    normals = np.asarray(random.normals(random.row_seeds(11, 2000), dim=10, samples=samples))
    assert_standard_normal(normals)
    assert_uncorrelated(normals.transpose(1, 0, 2).reshape(2000, 500))


def test_a_million_normals_of_neighbouring_seeds():
    columns = [np.ravel(random.normals(random.row_seeds(s, 1000), 10)) for s in range(-50, 50)]
    assert_standard_normal(columns)
    assert_uncorrelated(np.stack(columns, axis=1))


def test_a_million_normals_of_neighbouring_row_seeds():
    normals = np.asarray(random.normals(np.arange(-500, 500, dtype=np.int32), dim=1000))
    assert_standard_normal(normals)
    assert_uncorrelated(normals.T[:, :100])
    # Squares, since dependence need not be linear.
    assert_uncorrelated(normals.T[:, 500:600] ** 2)


@given(seeds=row_seed_lists, dim=st.integers(1, 6), data=st.data())
def test_a_draw_is_the_same_alone_and_beside_others(seeds, dim, data):
    row = data.draw(st.integers(0, len(seeds) - 1))
    seeds, samples = np.array(seeds, np.int32), np.arange(3, dtype=np.int32)
    # The words are equal; logarithm and cosine may round otherwise at a vector's end.
    for draw, tolerance in ((random.uniforms, 0), (random.normals, 1e-6)):
        whole = np.asarray(draw(seeds, dim, samples))
        alone = draw(seeds[row : row + 1], dim, samples[2:])[0, 0]
        first = draw(seeds, dim)
        shorter = draw(seeds, dim + 2, samples)[..., :dim]
        np.testing.assert_allclose(alone, whole[2, row], rtol=0, atol=tolerance)
        np.testing.assert_allclose(shorter, whole, rtol=0, atol=tolerance)
        np.testing.assert_allclose(first, whole[0], rtol=0, atol=tolerance)


@given(seed=st.integers(-(2**63), 2**64 - 1), first=st.integers(0, 2**32 - 10))
def test_row_seeds_are_an_odd_stride_from_an_offset(seed, first):
    key = (seed % 2**32, (seed // 2**32) % 2**32)
    offset, stride = (int(word) for word in reference_threefry(key, (0, random.ROWS)))
    expected = [(offset + (stride | 1) * row) % 2**32 for row in range(first, first + 10)]
    assert random.row_seeds(seed, 10, first).view(np.uint32).tolist() == expected


@pytest.mark.parametrize("seed", [0, 7, -1, 2**63 - 1])
def test_the_row_seeds_of_a_seed_are_all_different(seed):
    assert np.unique(random.row_seeds(seed, 1_000_000)).size == 1_000_000


def test_seeds_that_differ_in_one_bit_give_other_row_seeds():
    seeds = [0, *(1 << bit for bit in range(64)), -(2**63) + 1, -1]
    rows = np.stack([random.row_seeds(seed, 4) for seed in seeds])
    assert np.unique(rows, axis=0).shape == (len(seeds), 4)
    assert np.unique(rows).size >= rows.size - 1


@pytest.mark.parametrize("seed", [0, 7, -3, 2**40 + 1, -(2**63)])
def test_row_seeds_in_the_graph_equal_those_of_numpy(seed):
    rows = np.array([0, 1, 2, 1000, 2**31 - 1], np.int32)
    compiled = tf.function(lambda rows: random.row_seeds_at(seed, rows))
    expected = [random.row_seeds(seed, 1, int(row))[0] for row in rows]
    assert ops.convert_to_numpy(compiled(rows)).tolist() == expected


def test_streams_share_no_numbers():
    seeds = random.row_seeds(0, 20_000)
    blocks = []
    for stream in (random.LATENT, random.PRIOR, random.PRIOR_UNIFORM, random.PIXELS, random.ROWS):
        first, second = (np.asarray(word, np.uint64) for word in random.bits(seeds, 8, 0, stream))
        blocks.append(((first << np.uint64(32)) | second).ravel())
    blocks = np.concatenate(blocks)
    assert np.unique(blocks).size == blocks.size == 400_000


def test_an_array_of_row_seeds_is_taken_as_it_is():
    assert random.as_row_seeds([5, -6], 2).tolist() == [5, -6]
    assert random.as_row_seeds(np.int64(9), 2).tolist() == random.row_seeds(9, 2).tolist()


@pytest.mark.parametrize("seed", [[1, 2], [1.0, 2.0, 3.0], 1.5, True, "7", 2**64])
def test_what_is_no_seed_is_refused(seed):
    with pytest.raises(ValueError, match=r"`seed` must be an integer.*Received"):
        random.as_row_seeds(seed, 3)


def test_no_seed_gives_fresh_numbers_each_time():
    assert random.as_row_seeds(None, 4).tolist() != random.as_row_seeds(None, 4).tolist()
