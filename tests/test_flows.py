"""Flows: they invert, their log-determinants are those of the Jacobian, and posteriors use them."""

import numpy as np
import pytest
import tensorflow as tf

from keras_vae.flows import CouplingFlow, InverseAutoregressiveFlow

KINDS = [CouplingFlow, InverseAutoregressiveFlow]
SIZES = [2, 3, 5, 8]
every_flow = pytest.mark.parametrize("kind", KINDS)


def random_flow(kind, size, context_dim=0, num_layers=3, units=(12, 10), scale=0.3):
    """A flow whose weights have all left their initial values."""
    flow = kind(num_layers, units, seed=0)
    flow.build((None, size), context_dim)
    rng = np.random.default_rng(size)
    for weight in flow.weights:
        weight.assign_add(scale * rng.normal(size=weight.shape))
    return flow


def draws(*shape, seed=1):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def jacobian(direction, z, context=None):
    """d direction(z)_i / d z_j of each row: `(B, D, D)`."""
    rows, size = z.shape
    # Each row once for each output, whose gradient it takes.
    repeated = tf.repeat(tf.constant(z), size, axis=0)
    context = None if context is None else np.repeat(context, size, axis=0)
    with tf.GradientTape() as tape:
        tape.watch(repeated)
        output = direction(repeated, context)[0]
    chosen = tf.tile(tf.eye(size), (rows, 1))
    gradient = tape.gradient(output, repeated, output_gradients=chosen)
    return gradient.numpy().reshape(rows, size, size).astype(np.float64)


@every_flow
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("context_dim", [0, 3])
def test_the_inverse_undoes_forward_over_leading_axes(kind, size, context_dim):
    flow = random_flow(kind, size, context_dim)
    z, context = draws(2, 4, size), draws(4, context_dim, seed=2) if context_dim else None
    moved, log_det = flow.forward(z, context)
    back, inverse_log_det = flow.inverse(moved, context)
    assert np.abs(np.asarray(moved) - z).max() > 0.3
    np.testing.assert_allclose(back, z, atol=1e-5)
    np.testing.assert_allclose(inverse_log_det, -np.asarray(log_det), atol=1e-5)
    # Each row by itself, with the context of its own place in the batch.
    for sample, row in [(0, 1), (1, 3)]:
        own = None if context is None else context[[row]]
        alone, alone_log_det = flow.forward(z[sample, [row]], own)
        np.testing.assert_allclose(alone[0], moved[sample, row], atol=1e-5)
        np.testing.assert_allclose(alone_log_det[0], log_det[sample, row], atol=1e-5)


@every_flow
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("context_dim", [0, 3])
def test_the_log_determinant_is_that_of_the_jacobian(kind, size, context_dim):
    flow = random_flow(kind, size, context_dim)
    z, context = draws(4, size), draws(4, context_dim, seed=2) if context_dim else None
    for direction in (flow.forward, flow.inverse):
        expected = np.linalg.slogdet(jacobian(direction, z, context))[1]
        assert np.abs(expected).max() > 0.1
        np.testing.assert_allclose(direction(z, context)[1], expected, atol=1e-4)


@every_flow
def test_the_log_determinant_is_that_of_finite_differences(kind):
    flow, z, step = random_flow(kind, 3), draws(1, 3), 1e-2
    moves = step * np.eye(3, dtype="float32")
    ahead, behind = (np.asarray(flow.forward(z + sign * moves)[0]) for sign in (1, -1))
    matrix = (ahead - behind).astype(np.float64) / (2 * step)
    expected = np.linalg.slogdet(matrix)[1]
    assert float(flow.forward(z)[1][0]) == pytest.approx(expected, abs=1e-2)


@pytest.mark.parametrize("size", SIZES)
def test_a_unit_of_an_autoregressive_layer_depends_on_those_before_it_alone(size):
    flow = random_flow(InverseAutoregressiveFlow, size, num_layers=1, units=(40, 30))
    # The order turns at the end of a layer.
    matrices = jacobian(flow.forward, draws(200, size))[:, ::-1]
    assert np.abs(np.triu(matrices, 1)).max() == 0
    below = np.abs(matrices).max(axis=0)[np.tril_indices(size, -1)]
    assert (below > 1e-6).all()
    diagonal = np.diagonal(matrices, axis1=1, axis2=2)
    expected = np.log(diagonal).sum(axis=1)
    np.testing.assert_allclose(flow.forward(draws(200, size))[1], expected, atol=1e-4)


@every_flow
@pytest.mark.parametrize("size", SIZES)
def test_every_unit_moves_by_every_other_after_some_layers(kind, size):
    flow = random_flow(kind, size, num_layers=4)
    matrices = jacobian(flow.forward, draws(200, size))
    assert (np.abs(matrices).max(axis=0) > 1e-6).all()


@every_flow
@pytest.mark.parametrize("size", [2, 5])
def test_the_context_changes_every_unit(kind, size):
    """Of an autoregressive layer also the first, which depends on no other unit."""
    layers = 1 if kind is InverseAutoregressiveFlow else 2
    flow, z = random_flow(kind, size, context_dim=2, num_layers=layers), draws(4, size)
    first, second = (np.asarray(flow.forward(z, draws(4, 2, seed=seed))[0]) for seed in (3, 4))
    assert (np.abs(first - second).max(axis=0) > 1e-3).all()


@pytest.mark.parametrize("size", [2, 3, 5])
def test_a_new_coupling_flow_only_turns_the_units_and_a_new_gate_keeps_most_of_them(size):
    z = draws(4, size)
    coupling, gated = (kind(2, (8,), seed=0) for kind in KINDS)
    for flow in (coupling, gated):
        flow.build((None, size))
    moved, log_det = coupling.forward(z)
    np.testing.assert_array_equal(np.sort(moved, axis=-1), np.sort(z, axis=-1))
    np.testing.assert_array_equal(log_det, np.zeros(4))
    moved, log_det = gated.forward(z)
    gate = 1 / (1 + np.exp(-2.0))
    np.testing.assert_allclose(moved, gate**2 * z, rtol=1e-5)
    np.testing.assert_allclose(log_det, np.full(4, 2 * size * np.log(gate)), rtol=1e-5)


def test_runaway_weights_of_a_coupling_scale_by_no_more_than_its_bound():
    flow = random_flow(CouplingFlow, 4, num_layers=1, scale=1e3)
    _, log_det = flow.forward(draws(50, 4))
    assert np.abs(log_det).max() <= 2 * 2.0 + 1e-5


def test_runaway_weights_of_a_gate_leave_the_inverse_finite():
    flow = random_flow(InverseAutoregressiveFlow, 4, num_layers=1, scale=1e3)
    moved, log_det = flow.forward(draws(50, 4))
    assert np.isfinite(log_det).all() and np.isfinite(moved).all()
    assert np.isfinite(flow.inverse(draws(50, 4))[1]).all()


@every_flow
def test_a_seed_repeats_the_networks_and_another_changes_them(kind):
    flows = [kind(1, (8,), seed=seed) for seed in (0, 0, 1)]
    for flow in flows:
        flow.build((None, 4))
    first, again, other = (np.asarray(flow.weights[0]) for flow in flows)
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).max() > 1e-3


@every_flow
def test_one_unit_is_refused_with_the_fix(kind):
    with pytest.raises(ValueError, match=r"`latent_dim` >= 2, .*latent_dim=1\. Choose a larger"):
        kind(2).build((None, 1))


@every_flow
@pytest.mark.parametrize("arguments", [(0,), (1.5,), (2, ()), (2, (0,)), (2, 8)])
def test_bad_arguments_of_a_flow_are_refused(kind, arguments):
    with pytest.raises(ValueError, match=r"`(num_layers|units)` must be"):
        kind(*arguments)
