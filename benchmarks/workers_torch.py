"""The contestants of the speed benchmark that run on PyTorch, pythae among them; see workers.py."""

import tempfile

import numpy as np
import torch
from torch import nn
from torch.nn import functional
from torch.utils.data import DataLoader, Dataset

BATCH = 128
LATENT = {"mlp": 20, "conv": 2}
DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")


def networks(kind):
    """Encoder and decoder with Keras's initial weights, so that the losses of all contestants can be compared."""

    def start(layer):
        if hasattr(layer, "weight"):
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(layer.bias)

    return [network.apply(start) for network in architecture(kind)]


def architecture(kind):
    """Encoder to means, then log-variances; decoder to logits. Images: [n, 1, 28, 28]."""
    relu, latent = nn.ReLU(), LATENT[kind]
    if kind == "mlp":
        encoder = nn.Sequential(nn.Flatten(), nn.Linear(784, 400), relu, nn.Linear(400, 2 * latent))
        decoder = nn.Sequential(nn.Linear(latent, 400), relu, nn.Linear(400, 784), nn.Unflatten(1, (1, 28, 28)))
        return encoder, decoder
    down = nn.Conv2d(1, 32, 3, 2, 1), relu, nn.Conv2d(32, 64, 3, 2, 1), relu
    encoder = nn.Sequential(*down, nn.Flatten(), nn.Linear(7 * 7 * 64, 16), relu, nn.Linear(16, 2 * latent))
    up = nn.ConvTranspose2d(64, 64, 3, 2, 1, 1), relu, nn.ConvTranspose2d(64, 32, 3, 2, 1, 1), relu
    start = nn.Linear(latent, 7 * 7 * 64), relu, nn.Unflatten(1, (64, 7, 7))
    return encoder, nn.Sequential(*start, *up, nn.ConvTranspose2d(32, 1, 3, 1, 1))


class VAE(nn.Module):
    def __init__(self, kind):
        super().__init__()
        self.encoder, self.decoder = networks(kind)

    def forward(self, x):
        mean, log_var = self.encoder(x).chunk(2, dim=1)
        z = mean + torch.exp(0.5 * log_var) * torch.randn_like(mean)
        return self.decoder(z), mean, log_var


def kl(mean, log_var):
    return -0.5 * torch.sum(1 + log_var - mean**2 - log_var.exp())


def negative_elbo(model, x):
    logits, mean, log_var = model(x)
    reconstruction = functional.binary_cross_entropy_with_logits(logits, x, reduction="sum")
    return (reconstruction + kl(mean, log_var)) / len(x)


def floats(x):
    return torch.from_numpy(x).permute(0, 3, 1, 2).float().div(255).contiguous().to(DEVICE)


def judged(loss, valid, note=""):
    """The functions `loss` and `about` of a contestant, from its own loss on a batch of images."""

    def held_out():
        with torch.no_grad():
            return loss(floats(valid)).item()

    device = torch.cuda.get_device_name() if DEVICE.type == "cuda" else "CPU"
    return held_out, lambda: f"{device}, threads: {torch.get_num_threads()}{note}"


class Pictures(Dataset):
    """What torchvision's MNIST with ToTensor does: makes a PIL image of every example, and floats of that."""

    def __init__(self, x):
        self.x, self.labels = torch.from_numpy(x[..., 0]), torch.zeros(len(x), dtype=torch.int64)

    def __len__(self):
        return len(self.x)

    def __getitem__(self, row):
        from PIL import Image

        picture = np.array(Image.fromarray(self.x[row].numpy()), copy=True)
        image = torch.from_numpy(picture).view(28, 28, 1).permute(2, 0, 1).contiguous()
        return image.to(torch.float32).div(255), int(self.labels[row])


def torch_example(kind, x, valid, seed):
    """The shape of PyTorch's own example: DataLoader, eager, cross-entropy of a sigmoid, loss.item() each step."""
    torch.manual_seed(seed)
    model = VAE(kind).to(DEVICE)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    options = {"num_workers": 1, "pin_memory": True} if DEVICE.type == "cuda" else {}
    loader = DataLoader(Pictures(x), batch_size=BATCH, shuffle=True, **options)

    def loss_function(data):
        logits, mean, log_var = model(data)
        reconstruction = functional.binary_cross_entropy(torch.sigmoid(logits), data, reduction="sum")
        return (reconstruction + kl(mean, log_var)) / len(data)

    def train():
        model.train()
        total = 0.0
        for data, _ in loader:
            data = data.to(DEVICE)
            optimizer.zero_grad()
            loss = loss_function(data)
            loss.backward()
            total += loss.item()
            optimizer.step()
        return total / len(loader)

    return train, *judged(loss_function, valid)


def torch_resident(kind, x, valid, seed, channels_last=False, compiled=False):
    """PyTorch at its best: data in one tensor, cross-entropy of logits, fused Adam, no item() in the loop."""
    torch.manual_seed(seed)
    layout = torch.channels_last if channels_last else torch.contiguous_format
    model = VAE(kind).to(DEVICE, memory_format=layout)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, fused=True)
    data = floats(x).to(memory_format=layout)
    objective = torch.compile(negative_elbo) if compiled else negative_elbo

    def train():
        model.train()
        total = torch.zeros((), device=DEVICE)
        for rows in torch.randperm(len(data), device=DEVICE).split(BATCH):
            optimizer.zero_grad(set_to_none=True)
            loss = objective(model, data[rows])
            loss.backward()
            optimizer.step()
            total += loss.detach()
        return total.item() / (len(data) // BATCH)

    return train, *judged(lambda images: negative_elbo(model, images), valid, ", fused Adam")


def torch_compiled(*settings):
    return torch_resident(*settings, compiled=True)


def torch_channels_last(*settings):
    return torch_resident(*settings, channels_last=True)


def torch_channels_last_compiled(*settings):
    return torch_resident(*settings, channels_last=True, compiled=True)


def pythae(kind, x, valid, seed):
    """pythae's trainer; a round is its `train_step`, one epoch, without the files that `train` writes."""
    import pythae.models
    from pythae.data.datasets import BaseDataset
    from pythae.models.base.base_utils import ModelOutput
    from pythae.models.nn import BaseDecoder, BaseEncoder
    from pythae.trainers import BaseTrainer, BaseTrainerConfig

    encoder, decoder = networks(kind)

    class Encoder(BaseEncoder):
        def __init__(self):
            super().__init__()
            self.layers = encoder

        def forward(self, data):
            mean, log_var = self.layers(data).chunk(2, dim=1)
            return ModelOutput(embedding=mean, log_covariance=log_var)

    class Decoder(BaseDecoder):
        def __init__(self):
            super().__init__()
            self.layers = decoder

        def forward(self, z):
            return ModelOutput(reconstruction=torch.sigmoid(self.layers(z)))

    torch.manual_seed(seed)
    shape = {"input_dim": (1, 28, 28), "latent_dim": LATENT[kind], "reconstruction_loss": "bce"}
    model = pythae.models.VAE(pythae.models.VAEConfig(**shape), encoder=Encoder(), decoder=Decoder())
    settings = {"per_device_train_batch_size": BATCH, "learning_rate": 1e-3, "num_epochs": 100, "seed": seed}
    config = BaseTrainerConfig(output_dir=tempfile.mkdtemp(), **settings)
    trainer = BaseTrainer(model, BaseDataset(floats(x).cpu(), torch.zeros(len(x))), training_config=config)
    trainer.prepare_training()
    epochs = iter(range(1, 10**6))
    return lambda: trainer.train_step(next(epochs)), *judged(lambda images: model({"data": images}).loss, valid)
