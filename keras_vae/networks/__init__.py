"""Encoder and decoder factories: functional Keras models for any image size.

An encoder maps x to `(z_mean, z_log_var)`, a decoder maps z to the parameters of p(x|z) (logits,
not probabilities). Any other Keras model with these shapes is as welcome.
"""

from keras_vae.networks.classifiers import conv_classifier, mlp_classifier
from keras_vae.networks.conditional import conditional_decoder, conditional_encoder
from keras_vae.networks.conv import conv_decoder, conv_encoder
from keras_vae.networks.mlp import mlp_decoder, mlp_encoder
from keras_vae.networks.resnet import resnet_decoder, resnet_encoder
from keras_vae.networks.table import table_decoder, table_encoder

__all__ = [
    "conditional_decoder",
    "conditional_encoder",
    "conv_classifier",
    "conv_decoder",
    "conv_encoder",
    "mlp_classifier",
    "mlp_decoder",
    "mlp_encoder",
    "resnet_decoder",
    "resnet_encoder",
    "table_decoder",
    "table_encoder",
]
