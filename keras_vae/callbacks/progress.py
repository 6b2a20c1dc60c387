"""What a training shows while it runs."""

import sys
import time

import keras
from tqdm import tqdm

from keras_vae.progress import is_terminal


class Progress(keras.callbacks.Callback):
    """Show nats, images a second and the time left: a bar on a terminal, else a line an epoch.

    Args:
        num_images: int, the training images of an epoch.
        batch_size: int.
        file: text stream; None for standard output.

    Example:

    >>> import numpy as np
    >>> from keras_vae import VAE, networks
    >>> vae = VAE(networks.mlp_encoder((4,), 2), networks.mlp_decoder((4,), 2), seed=0)
    >>> vae.compile(optimizer="adam")
    >>> x = np.zeros((8, 4), "float32")
    >>> history = vae.fit(x, batch_size=8, verbose=0, callbacks=[Progress(8, 8)])
    Epoch 1/1: loss ... nats, ... images/s
    """

    # Several steps may be made between two calls.
    hears_executions = True

    def __init__(self, num_images, batch_size, file=None):
        super().__init__()
        self._images, self._batch_size = num_images, batch_size
        self._file = file or sys.stdout
        self._bar = None

    def on_train_begin(self, logs=None):
        self._began, self._first, self._seen = time.monotonic(), None, 0
        if is_terminal(self._file):
            total = self._images * self.params["epochs"]
            self._bar = tqdm(total=total, unit=" images", unit_scale=True, file=self._file)

    def on_epoch_begin(self, epoch, logs=None):
        if self._first is None:
            self._first = epoch
            if self._bar is not None:
                # What an earlier training did is no part of this one's pace.
                self._bar.initial = self._bar.n = epoch * self._images
        self._epoch_began, self._seen = time.monotonic(), 0
        self._began_at = self._step()
        if self._bar is not None:
            self._bar.set_description(f"Epoch {epoch + 1}/{self.params['epochs']}")

    def on_train_batch_end(self, batch, logs=None):
        # Those of this training: an epoch may begin in its midst.
        seen = min((self._step() - self._began_at) * self._batch_size, self._images)
        if self._bar is not None:
            if logs:
                self._bar.set_postfix_str(f"{float(logs['loss']):.2f} nats", refresh=False)
            self._bar.update(seen - self._seen)
        self._seen = seen

    def on_epoch_end(self, epoch, logs=None):
        logs, epochs = logs or {}, self.params["epochs"]
        now = time.monotonic()
        pace = self._seen / max(now - self._epoch_began, 1e-9)
        left = (epochs - epoch - 1) * (now - self._began) / (epoch + 1 - self._first)
        facts = [f"Epoch {epoch + 1}/{epochs}: loss {logs.get('loss', float('nan')):.2f} nats"]
        if "val_loss" in logs:
            facts.append(f"validation {logs['val_loss']:.2f}")
        # Of an epoch whose images an earlier training has seen there is no pace.
        if self._seen:
            facts.append(f"{pace:,.0f} images/s")
        if left and not self.model.stop_training:
            facts.append(f"{tqdm.format_interval(left)} left")
        line = ", ".join(facts)
        if self._bar is None:
            print(line, file=self._file, flush=True)
        else:
            self._bar.write(line, file=self._file)

    def on_train_end(self, logs=None):
        if self._bar is not None:
            self._bar.close()

    def _step(self):
        return int(self.model.step.numpy())
