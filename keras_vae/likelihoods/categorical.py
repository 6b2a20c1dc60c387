"""The likelihood of classes, for columns of tables and for pixels of few levels."""

import numpy as np
from keras import ops

from keras_vae import checks, random
from keras_vae.likelihoods.base import Likelihood, event_noise, first_largest
from keras_vae.likelihoods.bernoulli import logits_of_means
from keras_vae.registry import register


@register
class Categorical(Likelihood):
    """One of n classes for each channel: p(x = k|z) = softmax(decoder(z))_k.

    Args:
        num_categories: int >= 2, n.
        ordinal: bool. False: x holds the classes 0 ... n-1, which have no order, and the mean is
            the most likely one. True: x holds pixels of n levels, k/(n-1), and the mean is
            their expectation.

    Raises:
        ValueError: if `num_categories` is below 2.

    Example:

    >>> import numpy as np
    >>> likelihood = Categorical(3)
    >>> logits = np.log(np.float32([[0.2, 0.5, 0.3]]))
    >>> round(float(np.exp(likelihood.log_prob(np.ones((1, 1), "float32"), logits)[0])), 4)
    0.5
    >>> float(likelihood.mean(logits)[0, 0])
    1.0
    """

    is_discrete = True

    def __init__(self, num_categories=None, ordinal=False, **kwargs):
        super().__init__(**kwargs)
        fix = "Write Categorical(5) for the classes 0 to 4."
        self.num_categories = checks.integer("num_categories", num_categories, 2, fix)
        self.ordinal = bool(ordinal)
        self.params_per_channel = self.num_categories
        self.mean_range = (0.0, 1.0) if ordinal else (0.0, self.num_categories - 1.0)

    @property
    def levels(self):
        return self.num_categories

    def level_values(self):
        return super().level_values() * (1 if self.ordinal else self.num_categories - 1)

    def level_probs(self, params):
        return ops.softmax(self._grouped(params), axis=-1)

    def check(self, x):
        top = self.num_categories - 1
        # Not in whole numbers of 8 bits, which would wrap around.
        classes = np.multiply(x, top if self.ordinal else 1, dtype="float32")
        low, high = classes.min(), classes.max()
        if low < -1e-2 or high > top + 1e-2 or np.abs(classes - np.round(classes)).max() > 1e-2:
            if self.ordinal:
                self._refuse(
                    f"multiples of 1/{top} in [0, 1], pixels of {top + 1} levels,",
                    x,
                    "Divide 8-bit pixels by 255, and neither smooth nor resize them afterwards.",
                )
            self._refuse(
                f"the classes 0 to {top}",
                x,
                "Number the classes from 0, and give num_categories as many.",
            )

    def element_log_prob(self, x, params, training=False):
        logits = self._grouped(params)
        classes = x * (self.num_categories - 1) if self.ordinal else x
        chosen = ops.one_hot(ops.cast(ops.floor(classes + 0.5), "int32"), self.num_categories)
        return ops.sum(chosen * logits, axis=-1) - ops.logsumexp(logits, axis=-1)

    def mean(self, params):
        logits = self._grouped(params)
        if not self.ordinal:
            return first_largest(logits)
        values = np.linspace(0.0, 1.0, self.num_categories, dtype="float32")
        return ops.sum(ops.softmax(logits, axis=-1) * values, axis=-1)

    def sample(self, params, seed):
        logits = self._grouped(params)
        uniforms = event_noise(random.uniforms, logits[..., 0], seed)
        above = uniforms[..., None] > ops.cumsum(ops.softmax(logits), axis=-1)[..., :-1]
        classes = ops.sum(ops.cast(above, "float32"), axis=-1)
        return classes / (self.num_categories - 1) if self.ordinal else classes

    def bias(self, mean):
        mean = np.asarray(mean, "float32")
        values = np.linspace(0.0, 1.0, self.num_categories, dtype="float32")
        if self.ordinal:
            # Of all distributions of this mean the one of highest entropy.
            def mean_of(slopes):
                return ops.sum(ops.softmax(slopes[..., None] * values, axis=-1) * values, axis=-1)

            slopes = logits_of_means(np.clip(mean, 0.01, 0.99), mean_of)
        else:
            # The mean of classes without an order says nothing.
            slopes = np.zeros_like(mean)
        shape = (*mean.shape[:-1], mean.shape[-1] * self.num_categories)
        return (slopes[..., None] * values).reshape(shape).astype("float32")

    def get_config(self):
        own = {"num_categories": self.num_categories, "ordinal": self.ordinal}
        return {**super().get_config(), **own}
