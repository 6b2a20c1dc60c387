"""pythae's own trainer and VAE, with the same networks."""

import logging
import tempfile

import torch
from protocol import Rounds
from pythae.data.datasets import BaseDataset, DatasetOutput
from pythae.models import VAE, VAEConfig
from pythae.models.base.base_utils import ModelOutput
from pythae.models.nn import BaseDecoder, BaseEncoder
from pythae.trainers import BaseTrainer, BaseTrainerConfig
from torch_eager import tensor_of
from torch_networks import build


class Encoder(BaseEncoder):
    def __init__(self, network):
        super().__init__()
        self.network = network

    def forward(self, x):
        mean, log_var = self.network(x).chunk(2, dim=1)
        return ModelOutput(embedding=mean, log_covariance=log_var)


class Decoder(BaseDecoder):
    def __init__(self, network):
        super().__init__()
        self.network = network

    def forward(self, z):
        return ModelOutput(reconstruction=torch.sigmoid(self.network(z)))


class Binarised(VAE):
    """A VAE that draws the pixels of a batch anew."""

    def forward(self, inputs, **kwargs):
        if self.training:
            inputs = DatasetOutput(data=torch.bernoulli(inputs["data"]))
        return super().forward(inputs, **kwargs)


class Asked(BaseTrainer):
    """Let each epoch begin when it is asked for."""

    rounds = None

    def train_step(self, epoch):
        if epoch > 1:
            self.rounds.begin()
        loss = super().train_step(epoch)
        self.rounds.end(loss, self._validate)
        return loss

    def _optimizers_step(self, model_output=None):
        super()._optimizers_step(model_output)
        self.rounds.step_is_done()

    def _validate(self):
        self.model.eval()
        with torch.no_grad():
            return self.model({"data": tensor_of(self.rounds.validation())}).loss.item()


def main():
    rounds = Rounds()
    logging.disable(logging.CRITICAL)
    rounds.begin()
    x = tensor_of(rounds.images())
    encoder, decoder = build(rounds.shape, rounds.seed)
    config = VAEConfig(
        input_dim=tuple(x.shape[1:]), latent_dim=rounds.shape.latent_dim, reconstruction_loss="bce"
    )
    networks = (encoder, decoder)
    rounds.parameters = sum(p.numel() for network in networks for p in network.parameters())
    kind = VAE if rounds.validation() is None else Binarised
    model = kind(config, encoder=Encoder(encoder), decoder=Decoder(decoder))
    with tempfile.TemporaryDirectory() as folder:
        settings = BaseTrainerConfig(
            output_dir=folder,
            num_epochs=rounds.epochs,
            learning_rate=1e-3,
            per_device_train_batch_size=rounds.shape.batch_size,
            optimizer_params={"eps": 1e-7},
            no_cuda=True,
            seed=rounds.seed,
        )
        trainer = Asked(model, BaseDataset(x, torch.zeros(len(x))), training_config=settings)
        trainer.rounds = rounds
        trainer.train()


if __name__ == "__main__":
    main()
