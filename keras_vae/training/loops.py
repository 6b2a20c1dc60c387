"""Several steps in one execution, for small sets that live where they are computed."""

import tensorflow as tf

from keras_vae.data.forms import Places


def plain(model, fetch, batch_size, steps):
    """Return what Keras calls with the iterator of a training for each execution.

    Args:
        model: `VAE`, compiled and built.
        fetch: function from `forms.Places` to a batch.
        batch_size: int.
        steps: int, the most in an execution.
    """

    @tf.function(autograph=False)
    def execution(iterator):
        places = iterator.get_next()
        size = tf.size(places.rows, tf.int64)

        def body(index, _):
            rows = places.rows[index : index + batch_size]
            batch = fetch(Places(places.epoch, places.start + index, rows))
            return index + batch_size, model.train_on(batch)

        _, logs = tf.while_loop(
            lambda index, _: index < size,
            body,
            (tf.constant(0, tf.int64), model.training_logs()),
            maximum_iterations=steps,
        )
        return logs

    return execution


def compiled(model, fetch, batch_size, steps):
    """Return the same as `plain`, with all steps but one of a smaller batch as a program of XLA.

    One program for each step gives every weight a new place in memory each time; a loop within the
    program keeps them where they are.

    Args:
        model, fetch, batch_size, steps: see `plain`.
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
    smaller_batch = tf.function(model.train_on, autograph=False)

    @tf.function(autograph=False)
    def execution(iterator):
        places = iterator.get_next()
        count = tf.size(places.rows, tf.int64) // batch_size
        end = count * batch_size
        # The program is of one size, whose other rows are not looked at.
        rows = tf.pad(places.rows[:end], [[0, steps * batch_size - end]])
        # All that is random is drawn here: XLA would draw other numbers.
        data = fetch(Places(places.epoch, places.start, rows))
        data = tf.nest.map_structure(
            lambda values: tf.reshape(values, (steps, batch_size, *values.shape[1:])), data
        )
        noise = tf.map_fn(
            lambda index: model.training_noise(model.step.value + index, batch_size),
            tf.range(steps, dtype=tf.int64),
            fn_output_signature=tf.float32,
        )
        logs = whole_batches(data, noise, count)
        rest = Places(places.epoch, places.start + end, places.rows[end:])
        return tf.cond(tf.size(rest.rows) > 0, lambda: smaller_batch(fetch(rest)), lambda: logs)

    return execution


def beside(loop, keras_function):
    """Return what Keras calls with the iterator of a training, and `train_on_batch` with a batch.

    Args:
        loop: function of an iterator.
        keras_function: Keras's own, for all else.
    """

    def function(data):
        is_stream = isinstance(data, (tf.data.Iterator, tf.distribute.DistributedIterator))
        return loop(data) if is_stream else keras_function(data)

    return function
