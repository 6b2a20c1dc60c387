"""Lossless coding by bits back: the rate is -ELBO, since what z costs is won back.

Townsend et al. 2019, section 2.3 (https://arxiv.org/abs/1901.04866), with the stack of
`constriction`: z is read off the stack by q(z|x), then x is written by p(x|z) and z by p(z). Images
are coded from the last to the first, so that they come back in their order.
"""

import struct
import zlib

import constriction
import numpy as np

from keras_vae.checks import message
from keras_vae.compression import networks
from keras_vae.priors import StandardNormal

# What reading one number off the stack can take at most.
_MOST_BITS = 26
_WORD = 32
_HEAD = struct.Struct("<IIII")


class BitsBack:
    """Code blocks of images without loss.

    Args:
        vae: `VAE` with a standard normal prior.
        rows: int >= 1, the rows of a batch, as the file was written with; None for a new one.

    Attributes:
        rows: int.

    Raises:
        ValueError: if the VAE cannot code without loss.
    """

    def __init__(self, vae, rows=None):
        networks.check_levels(vae.likelihood)
        self._networks = networks.Networks(vae, rows)
        self._likelihood, self.rows = vae.likelihood, self._networks.rows
        if not vae.posterior.is_gaussian:
            raise ValueError(
                message(
                    "`posterior` must be a normal distribution to be coded with",
                    type(vae.posterior).__name__,
                    "Train with --posterior diagonal_gaussian.",
                )
            )
        if not isinstance(vae.prior, StandardNormal):
            raise ValueError(
                message(
                    "`prior` must be a standard normal distribution to be coded with",
                    type(vae.prior).__name__,
                    "Train with --prior standard_normal.",
                )
            )
        self._latent_dim = vae.latent_dim
        self._stack = constriction.stream.stack.AnsCoder
        farthest = round(networks.FARTHEST / networks.STEP)
        model = constriction.stream.model
        self._normal = model.QuantizedGaussian(-farthest, farthest)
        self._table = model.Categorical(perfect=False)

    def encode(self, x):
        """Return the bytes of a block.

        Args:
            x: array `(N, *event)`.
        """
        symbols = networks.symbols_of(self._likelihood, x)
        # As it will come back: q(z|x) must be that of the last bit.
        x = self._likelihood.level_values()[symbols]
        words = -(-_MOST_BITS * self._latent_dim // _WORD) + 2
        stack = self._stack(_priming(words))
        sizes, end = [], len(x)
        while end:
            sizes.append(min(self.rows, end, self._affordable(stack)))
            start = end - sizes[-1]
            self._push(stack, x[start:end], symbols[start:end])
            end = start
        payload = stack.get_compressed().astype("<u4").tobytes()
        head = _HEAD.pack(len(x), len(sizes), words, _checksum(symbols))
        return head + bytes(sizes[::-1]) + payload

    def decode(self, payload):
        """Return the images of a block, `(N, *event)` float32.

        Raises:
            ValueError: if they are not those that were encoded.
        """
        count, chunks, words, checksum = _HEAD.unpack_from(payload)
        sizes = payload[_HEAD.size : _HEAD.size + chunks]
        stack = self._stack(np.frombuffer(payload, "<u4", offset=_HEAD.size + chunks).copy())
        values = self._likelihood.level_values()
        found = [self._pop(stack, size, values) for size in sizes]
        symbols = np.concatenate(found)
        left = np.array_equal(stack.get_compressed(), _priming(words))
        if len(symbols) != count or not left or _checksum(symbols) != checksum:
            raise ValueError(
                message(
                    "The model must compute here as it did where the file was written",
                    "images of another checksum",
                    "Decompress with the same TensorFlow on the same kind of processor.",
                )
            )
        return values[symbols]

    def _affordable(self, stack):
        """Return how many images' z the stack holds bits for; what primes it is enough for one."""
        return max(1, stack.num_bits() // (_MOST_BITS * self._latent_dim))

    def _push(self, stack, x, symbols):
        mean, deviation = (part.reshape(-1) for part in self._networks.posterior(x))
        steps = stack.decode(self._normal, mean, deviation)
        stack.encode_reverse(symbols.reshape(-1), self._table, self._probs(steps))
        stack.encode_reverse(steps, self._normal, *self._prior(len(x)))

    def _pop(self, stack, size, values):
        steps = stack.decode(self._normal, *self._prior(size))
        symbols = stack.decode(self._table, self._probs(steps))
        symbols = symbols.reshape(size, *self._networks.event_shape)
        mean, deviation = (part.reshape(-1) for part in self._networks.posterior(values[symbols]))
        stack.encode_reverse(steps, self._normal, mean, deviation)
        return symbols

    def _probs(self, steps):
        z = steps.reshape(-1, self._latent_dim) * networks.STEP
        return self._networks.level_probs(z)

    def _prior(self, size):
        count = size * self._latent_dim
        return np.zeros(count), np.full(count, 1.0 / networks.STEP)


def _priming(words):
    """Return numbers of no meaning, which the first z is read off."""
    return (np.arange(1, words + 1, dtype=np.uint64) * 2654435761 % 2**_WORD).astype("uint32")


def _checksum(symbols):
    return zlib.crc32(np.ascontiguousarray(symbols, "<u2").tobytes())
