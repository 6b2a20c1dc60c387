"""A process that runs one exported file, or a Keras model, and is told by lines of JSON what to do.

    python -m export.benchmark_worker FILE LATENT_DIM

It answers each line with a line. A process for each file keeps their memory and their imports
apart.
"""

import json
import pathlib
import resource
import sys
import time

import numpy as np

from export import runtimes
from export.formats import ENDPOINTS, LABEL

_BATCH = 64


class _Keras:
    """A saved Keras model with the interface of a runtime; `decode` is its decoder's `predict`."""

    def __init__(self, path):
        import keras

        import keras_vae  # noqa: F401 (registers the classes of the file)
        from export import endpoints, plan

        self._vae = keras.models.load_model(path)
        names = ("decode", "encode", "reconstruct", "generate", "score")
        self._functions = endpoints.functions(self._vae, plan.Plan((), names))
        # Of z alone: a label takes no time of its own.
        _, self._decoder = self._vae.networks()
        self.labels = endpoints.labels_of(self._vae)
        self.endpoints = names
        self.latent_dim = self._vae.latent_dim

    def run(self, endpoint, **inputs):
        if endpoint == "decode":
            params = self._decoder.predict(inputs["z"], verbose=0)
            return {"image": np.asarray(self._vae.likelihood.mean(params))}
        outputs = self._functions[endpoint](**inputs)
        return {name: np.asarray(value) for name, value in outputs.items()}


class _Worker:
    """What can be asked of the process."""

    def __init__(self, path, latent_dim):
        self._runtime = _Keras(path) if path.endswith(".keras") else runtimes.load(path)
        z = np.random.default_rng(0).standard_normal((512, latent_dim)).astype(np.float32)
        self._inputs = {"z": z}
        if self._runtime.labels is not None:
            self._inputs[LABEL] = self._runtime.labels.examples(len(z), "decode")

    def first(self):
        """Run the first image; return the endpoints."""
        if "decode" in self._runtime.endpoints:
            self._runtime.run("decode", **self._rows(1))
        return list(self._runtime.endpoints)

    def time(self, batch_size, seconds):
        """Return the seconds of as many calls of `decode` as fit into `seconds`, at least 3."""
        inputs, times = self._rows(batch_size), []
        end = time.perf_counter() + seconds
        while time.perf_counter() < end or len(times) < 3:
            start = time.perf_counter()
            self._runtime.run("decode", **inputs)
            times.append(time.perf_counter() - start)
        return times

    def quality(self, images):
        """Return the ELBO and the PSNR of the reconstructions of the images in a `.npy` file.

        They are those without labels: of a file that needs them there are none.
        """
        images, found, labels = np.load(images), {}, self._runtime.labels
        if labels is not None and not labels.may_be_left_out("reconstruct"):
            return found
        if "score" in self._runtime.endpoints:
            found["elbo"] = -float(np.mean(self._all("score", images, "negative_elbo")))
        if "reconstruct" in self._runtime.endpoints:
            result = self._all("reconstruct", images, "image")
            if result.dtype == np.uint8:
                result = result / 255.0
            mse = np.mean(np.square(result - images).reshape(len(images), -1), axis=1)
            found["reconstruction_psnr"] = float(np.mean(-10 * np.log10(np.maximum(mse, 1e-12))))
        return found

    def memory(self):
        """Return the largest resident memory of the process, in bytes."""
        status = pathlib.Path("/proc/self/status")
        if status.exists():
            # What getrusage tells begins with the memory of the process that started this one.
            (line,) = (line for line in status.read_text().splitlines() if "VmHWM" in line)
            return 1024 * int(line.split()[1])
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else 1024 * peak

    def _rows(self, count):
        return {name: value[:count] for name, value in self._inputs.items()}

    def _all(self, endpoint, images, output):
        (name,) = ENDPOINTS[endpoint].inputs
        parts = [
            self._runtime.run(endpoint, **{name: images[start : start + _BATCH]})[output]
            for start in range(0, len(images), _BATCH)
        ]
        return np.concatenate(parts)


def main():
    worker = _Worker(sys.argv[1], int(sys.argv[2]))
    # What a library prints must not stand among the answers.
    answers, sys.stdout = sys.stdout, sys.stderr
    for line in sys.stdin:
        name, arguments = json.loads(line)
        print(json.dumps(getattr(worker, name)(*arguments)), file=answers, flush=True)


if __name__ == "__main__":
    main()
