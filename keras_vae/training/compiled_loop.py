"""Several steps as one program of XLA, for small sets that live where they are computed.

One program for each step gives every weight a new place in memory each time; a loop within the
program keeps them where they are.
"""

import tensorflow as tf

from keras_vae.data.forms import Places


def train_function(model, fetch):
    """Return what Keras calls with the iterator of an epoch for each execution.

    Args:
        model: `VAE`, compiled and built.
        fetch: function from `forms.Places` to a batch.
    """

    @tf.function(jit_compile=True, autograph=False)
    def whole_batches(data, noise, count):
        def body(index, _):
            batch = tf.nest.map_structure(lambda values: values[index], data)
            return index + 1, model.train_on(batch, noise[index])

        _, logs = tf.while_loop(
            lambda index, _: index < count,
            body,
            (tf.constant(0, tf.int64), model.training_logs()),
        )
        return logs

    # Of another size: a program of its own would take longer to compile than it saves.
    smaller_batch = tf.function(model.train_step, autograph=False)

    @tf.function(autograph=False)
    def execution(iterator):
        block = iterator.get_next()
        steps, batch_size = block.rows.shape
        # All that is random is drawn here: XLA would draw other numbers.
        data = fetch(Places(block.epoch, block.start, tf.reshape(block.rows, (-1,))))
        data = tf.nest.map_structure(
            lambda values: tf.reshape(values, (steps, batch_size, *values.shape[1:])), data
        )
        noise = tf.map_fn(
            lambda index: model.training_noise(model.step.value + index, batch_size),
            tf.range(steps, dtype=tf.int64),
            fn_output_signature=tf.float32,
        )
        logs = whole_batches(data, noise, block.count)
        start = block.start + block.count * batch_size
        return tf.cond(
            tf.size(block.rest) > 0,
            lambda: smaller_batch(fetch(Places(block.epoch, start, block.rest))),
            lambda: logs,
        )

    return execution
