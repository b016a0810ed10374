"""The contestants of the speed benchmark that run on PyTorch, pythae among them; see workers.py."""

import tempfile

import numpy as np
import torch
from torch import nn
from torch.nn import functional
from torch.utils.data import DataLoader, Dataset

BATCH = 128
# As in workers.py: what the encoder gives, what the decoder takes, and the shape of the hierarchy and of the flow.
ENCODED = {"mlp": 40, "conv": 4, "hierarchical": 64, "flow": 40}
DECODED = {"mlp": 20, "conv": 2, "hierarchical": 64, "flow": 20}
GROUPS, HIDDEN = (8, 8, 8), 64
MADE = (128, 128, 128)
DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")


def start(layer):
    """Keras's initial weights, so that the losses of all contestants can be compared."""
    if hasattr(layer, "weight"):
        nn.init.xavier_uniform_(layer.weight)
        nn.init.zeros_(layer.bias)


def networks(kind):
    """Encoder and decoder with Keras's initial weights."""
    return [network.apply(start) for network in architecture(kind)]


def architecture(kind):
    """Encoder to means, then log-variances, or to features; decoder to logits. Images: [n, 1, 28, 28]."""
    relu, encoded, decoded = nn.ReLU(), ENCODED[kind], DECODED[kind]
    if kind != "conv":
        encoder = nn.Sequential(nn.Flatten(), nn.Linear(784, 400), relu, nn.Linear(400, encoded))
        decoder = nn.Sequential(nn.Linear(decoded, 400), relu, nn.Linear(400, 784), nn.Unflatten(1, (1, 28, 28)))
        return encoder, decoder
    down = nn.Conv2d(1, 32, 3, 2, 1), relu, nn.Conv2d(32, 64, 3, 2, 1), relu
    encoder = nn.Sequential(*down, nn.Flatten(), nn.Linear(7 * 7 * 64, 16), relu, nn.Linear(16, encoded))
    up = nn.ConvTranspose2d(64, 64, 3, 2, 1, 1), relu, nn.ConvTranspose2d(64, 32, 3, 2, 1, 1), relu
    head = nn.Linear(decoded, 7 * 7 * 64), relu, nn.Unflatten(1, (64, 7, 7))
    return encoder, nn.Sequential(*head, *up, nn.ConvTranspose2d(32, 1, 3, 1, 1))


class Gaussian(nn.Module):
    """What the encoder gives, as a diagonal normal: to a code, and its KL to N(0, I), summed over the batch."""

    def forward(self, encoded):
        mean, log_var = encoded.chunk(2, dim=1)
        return draw(mean, log_var), kl(mean, log_var)


class TopDown(nn.Module):
    """The groups of vae_course's `HierarchicalVAE`, from features to the state that the decoder takes, and the KL."""

    def __init__(self):
        super().__init__()
        features, state = ENCODED["hierarchical"], DECODED["hierarchical"]
        above = [0, *[state] * (len(GROUPS) - 1)]
        self.posteriors = nn.ModuleList(block(features + a, 2 * size) for a, size in zip(above, GROUPS))
        self.priors = nn.ModuleList(block(state, 2 * size) for size in GROUPS[1:])  # that of the top group is N(0, I)
        self.merges = nn.ModuleList(block(size + a, state) for a, size in zip(above, GROUPS))
        self.apply(start)

    def forward(self, features):
        q = self.posteriors[0](features).chunk(2, dim=1)
        state, total = self.merges[0](draw(*q)), kl(*q)
        for group in range(1, len(GROUPS)):
            q = self.posteriors[group](torch.cat([features, state], 1)).chunk(2, dim=1)
            p = self.priors[group - 1](state).chunk(2, dim=1)
            total = total + kl_between(*q, *p)
            state = state + self.merges[group](torch.cat([draw(*q), state], 1))
        return state, total


def block(inputs, outputs):
    return nn.Sequential(nn.Linear(inputs, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, outputs))


class Masked(nn.Linear):
    """A linear layer some of whose weights are held at zero: mask [outputs, inputs]."""

    def __init__(self, mask):
        super().__init__(*reversed(mask.shape))
        self.register_buffer("mask", mask.float())

    def forward(self, x):
        return functional.linear(x, self.weight * self.mask, self.bias)


class Step(nn.Module):
    """An inverse autoregressive step with the masks of pythae's: to the code and the logarithms of its scales."""

    def __init__(self, size):
        super().__init__()
        layers, before = [], torch.arange(size)
        for units in MADE:
            here = torch.arange(units) % (size - 1)
            layers += [Masked(here[:, None] >= before), nn.ReLU()]
            before = here
        self.net = nn.Sequential(*layers, Masked((torch.arange(size)[:, None] > before).repeat(2, 1)))

    def forward(self, z):
        shift, log_scale = self.net(z).chunk(2, dim=1)
        return z * log_scale.exp() + shift, log_scale


class Flowed(nn.Module):
    """A diagonal normal sent through two steps: to a code and its KL, by one sample.

    The flow of pythae's VAE_IAF, written anew: torch.compile cannot follow pythae's own, which passes dictionaries.
    """

    def __init__(self):
        super().__init__()
        self.net = nn.ModuleList(Step(DECODED["flow"]) for _ in range(2))
        start_flow(self)

    def forward(self, encoded):
        mean, log_var = encoded.chunk(2, dim=1)
        noise = torch.randn_like(mean)
        z, stretched = mean + torch.exp(0.5 * log_var) * noise, 0.0
        for step in self.net:
            z, log_scale = step(z.flip(1))
            stretched = stretched + log_scale.sum()
        return z, 0.5 * torch.sum(z**2 - noise**2 - log_var) - stretched


def start_flow(flow):
    """vae_course's initial weights: as everywhere, but small in the last layers, so that a step begins as identity."""
    flow.apply(start)
    for step in flow.net:
        nn.init.normal_(step.net[-1].weight, std=0.01)
    return flow


class VAE(nn.Module):
    def __init__(self, kind):
        super().__init__()
        self.encoder, self.decoder = networks(kind)
        self.latents = {"hierarchical": TopDown, "flow": Flowed}.get(kind, Gaussian)()

    def forward(self, x):
        """Logits, and the KL summed over the batch."""
        z, kl = self.latents(self.encoder(x))
        return self.decoder(z), kl


def draw(mean, log_var):
    return mean + torch.exp(0.5 * log_var) * torch.randn_like(mean)


def kl(mean, log_var):
    return -0.5 * torch.sum(1 + log_var - mean**2 - log_var.exp())


def kl_between(mean, log_var, prior_mean, prior_log_var):
    ratio = (log_var.exp() + (mean - prior_mean) ** 2) * torch.exp(-prior_log_var)
    return 0.5 * torch.sum(prior_log_var - log_var + ratio - 1)


def negative_elbo(model, x):
    logits, kl = model(x)
    return (functional.binary_cross_entropy_with_logits(logits, x, reduction="sum") + kl) / len(x)


def floats(x):
    return torch.from_numpy(x).permute(0, 3, 1, 2).float().div(255).contiguous().to(DEVICE)


def judged(loss, model, valid, note=""):
    """The functions `loss` and `about` of a contestant, from its own loss on a batch of images."""

    def held_out():
        with torch.no_grad():
            return loss(floats(valid)).item()

    device = torch.cuda.get_device_name() if DEVICE.type == "cuda" else "CPU"
    weights = sum(weight.numel() for weight in model.parameters())
    how = f"threads: {torch.get_num_threads()}{note}"
    return held_out, lambda: {"device": device, "weights": weights, "how": how}


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
        logits, kl = model(data)
        return (functional.binary_cross_entropy(torch.sigmoid(logits), data, reduction="sum") + kl) / len(data)

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

    return train, *judged(loss_function, model, valid)


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

    return train, *judged(lambda images: negative_elbo(model, images), model, valid, ", fused Adam")


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

    torch.manual_seed(seed)
    encoder, decoder = networks(kind)

    class Encoder(BaseEncoder):
        def __init__(self):
            super().__init__()
            self.layers = encoder

        def forward(self, data):
            encoded = self.layers(data)
            if kind == "hierarchical":
                return ModelOutput(embedding=encoded)
            mean, log_var = encoded.chunk(2, dim=1)
            return ModelOutput(embedding=mean, log_covariance=log_var)

    class Decoder(BaseDecoder):
        def __init__(self):
            super().__init__()
            self.layers = decoder

        def forward(self, z):
            return ModelOutput(reconstruction=torch.sigmoid(self.layers(z)))

    class Hierarchical(pythae.models.VAE):
        """pythae has no hierarchy of Gaussian latents: this is one as its users would add it, around its VAE."""

        def __init__(self, *parts):
            super().__init__(*parts)
            self.latents = TopDown()

        def forward(self, inputs, **kwargs):
            x = inputs["data"]
            state, kl = self.latents(self.encoder(x).embedding)
            recon_x = self.decoder(state).reconstruction
            recon_loss = functional.binary_cross_entropy(recon_x, x, reduction="sum") / len(x)
            reg_loss = kl / len(x)
            return ModelOutput(loss=recon_loss + reg_loss, recon_loss=recon_loss, reg_loss=reg_loss, recon_x=recon_x)

    shape = {"input_dim": (1, 28, 28), "latent_dim": DECODED[kind], "reconstruction_loss": "bce"}
    parts, note = (Encoder(), Decoder()), ""
    if kind == "hierarchical":
        model, note = Hierarchical(pythae.models.VAEConfig(**shape), *parts), ", a subclass of its VAE"
    elif kind == "flow":
        model, note = pythae.models.VAE_IAF(pythae.models.VAE_IAF_Config(**shape), *parts), ", its VAE_IAF"
        start_flow(model.iaf_flow)
    else:
        model = pythae.models.VAE(pythae.models.VAEConfig(**shape), *parts)
    settings = {"per_device_train_batch_size": BATCH, "learning_rate": 1e-3, "num_epochs": 100, "seed": seed}
    config = BaseTrainerConfig(output_dir=tempfile.mkdtemp(), **settings)
    trainer = BaseTrainer(model, BaseDataset(floats(x).cpu(), torch.zeros(len(x))), training_config=config)
    trainer.prepare_training()
    epochs = iter(range(1, 10**6))
    judge = judged(lambda images: model({"data": images}).loss, model, valid, note)
    return lambda: trainer.train_step(next(epochs)), *judge
