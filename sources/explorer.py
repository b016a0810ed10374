"""What the page site/explorer/ shows: decoders of pretrained models, and test examples with their posteriors.

    python sources/explorer.py        writes site/explorer/data/, from vae_course/pretrained/

The files are JavaScript that a page loads without a server. Weights are the 16-bit numbers of the pretrained models.
"""

import base64
import json
from pathlib import Path

from vae_course import datasets, evaluation, models

import keras
import numpy as np
from sklearn.metrics import mutual_info_score

HOME = Path(__file__).resolve().parent.parent / "site/explorer/data"
SHOWN = ("faces-plane", "digits-plane", "digits-plane-beta-0.2", "digits-plane-beta-4", "faces-vae", "faces-tcvae")
EXAMPLES = 60  # of the test part


def text(numbers, dtype):
    return base64.b64encode(np.ascontiguousarray(numbers, dtype).tobytes()).decode()


def layers_of(decoder):
    """The dense layers of a decoder, which are all that it may have, but for the reshape at its end."""
    dense = [layer for layer in decoder.layers if isinstance(layer, keras.layers.Dense)]
    others = {type(layer).__name__ for layer in decoder.layers if layer not in dense}
    if others - {"InputLayer", "Reshape"}:
        raise ValueError(f"The page decodes dense layers only. Received: {', '.join(sorted(others))}")
    return dense


def decoder_file(name):
    """A decoder, and what was measured: the KL of each latent, and the factor that it tells most about."""
    model, record = models.load(name), models.pretrained_models()[name]
    data, dense = datasets.load(record["data"]), layers_of(model.decoder)
    terms = model.evaluate(data.x_test, verbose=0, return_dict=True)
    content = {
        "data": record["data"],
        "sizes": [dense[0].kernel.shape[0], *(layer.units for layer in dense)],
        "hidden": dense[0].activation.__name__,
        "output": "sigmoid" if type(model.likelihood_part).__name__ == "Bernoulli" else "linear",
        "beta": round(model.beta, 3),
        "rate": round(float(terms["kl"]), 2),
        "distortion": round(-float(terms["reconstruction"]), 2),
        "kl": np.round(np.float64(evaluation.kl_per_dimension(model, data.x_test)), 3).tolist(),
        "factors": factors_told(model, data) if data.factor_names else [],
    }
    posterior = model.posterior(data.x_test[:EXAMPLES])
    for key, values in (("means", posterior.mean()), ("scales", posterior.stddev())):
        content[key] = np.round(np.float64(values), 3).tolist()
    weights = [np.ravel(weight) for layer in dense for weight in layer.get_weights()]
    content["weights"] = text(np.concatenate(weights), "<f2")
    return content


def factors_told(model, data, bins=20):
    """For each latent: the factor that it tells most about, and the share of its entropy, on the training part."""
    told = []
    for code in model.encode(data.x_train).T:
        levels = np.digitize(code, np.quantile(code, np.linspace(0, 1, bins + 1)[1:-1]))
        columns = [np.unique(column, return_inverse=True)[1] for column in data.factors_train.T]
        shares = [mutual_info_score(column, levels) / mutual_info_score(column, column) for column in columns]
        told.append([data.factor_names[int(np.argmax(shares))], round(float(max(shares)), 2)])
    return told


def pictures_file(name):
    """Test examples as bytes, and what is known of each."""
    data = datasets.load(name)
    known = data.factors_test if data.factor_names else data.y_test[:, None]
    return {
        "side": data.x_test.shape[1],
        "names": list(data.factor_names) or ["digit"],
        "known": np.round(np.float64(known[:EXAMPLES]), 3).tolist(),
        "pixels": text(np.rint(255 * data.x_test[:EXAMPLES]), "u1"),
    }


def main():
    HOME.mkdir(exist_ok=True)
    for name in SHOWN:
        content = json.dumps(decoder_file(name), separators=(",", ":"))
        (HOME / f"{name}.js").write_text(f'explorer.models["{name}"] = {content};\n')
    for name in ("faces", "digits"):
        content = json.dumps(pictures_file(name), separators=(",", ":"))
        (HOME / f"{name}.js").write_text(f'explorer.pictures["{name}"] = {content};\n')
    for path in sorted(HOME.iterdir()):
        print(f"{path.name}: {path.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
