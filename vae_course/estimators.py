"""A VAE of tables with scikit-learn's methods, for pipelines and searches. The models themselves are in `models`."""

from collections.abc import Sequence
from typing import Any, Self

from vae_course import evaluation, likelihoods, models, needed, networks
from vae_course.models import checks

import keras
import numpy as np
import numpy.typing as npt

with needed("scores"):
    from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
    from sklearn.utils.validation import check_is_fitted, validate_data


class TableVAE(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """log p(x) of rows, codes and new rows: a VAE with a normal likelihood, one learned scale for each column.

    Put a scaler before it, `make_pipeline(StandardScaler(), TableVAE(2))`: columns should vary by about one, and
    log-densities are then those of scaled columns. For counts, classes and missing values see `models.VAE`.
    latent_size: numbers in a code. hidden: units of the encoder's dense layers, and reversed of the decoder's.
    epochs, batch_size, learning_rate (of Adam), beta: as for `models.VAE`.
    k: samples of the posterior for each row in `score_samples`.
    random_state: a whole number for a fit that repeats on this machine; it seeds NumPy, Python and TensorFlow. None
        goes on with whatever they hold.
    After `fit`: `model_` is the `models.VAE`, `history_` its training curves, `n_features_in_` the number of columns.
    A fitted one is kept by `model_.save(...)`, a Keras file.
    """

    def __init__(
        self,
        latent_size: int = 2,
        hidden: Sequence[int] = (64,),
        epochs: int = 100,
        batch_size: int = 64,
        learning_rate: float = 1e-3,
        beta: float = 1.0,
        k: int = 100,
        random_state: int | None = None,
    ) -> None:
        self.latent_size = latent_size
        self.hidden = hidden
        self.epochs = epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.beta = beta
        self.k = k
        self.random_state = random_state

    def fit(self, X: npt.ArrayLike, y: Any = None) -> Self:
        """Train on rows [n, columns]; y is ignored."""
        X = self._rows(X, reset=True)
        if self.random_state is not None:
            keras.utils.set_random_seed(checks.random_seed(self.random_state))
        encoder = networks.mlp_encoder(X.shape[1:], 2 * self.latent_size, self.hidden)
        decoder = networks.mlp_decoder(self.latent_size, X.shape[1:], self.hidden[::-1])
        self.model_ = models.VAE(encoder, decoder, likelihood=likelihoods.Gaussian("per_feature"), beta=self.beta)
        self.model_.compile(keras.optimizers.Adam(self.learning_rate))
        self.history_ = self.model_.fit(X, batch_size=self.batch_size, epochs=self.epochs, verbose=0).history
        return self

    def transform(self, X: npt.ArrayLike) -> np.ndarray:
        """Codes, the means of q(z|x): [n, latent_size]."""
        X = self._rows(X)
        return self.model_.encode(X)

    def inverse_transform(self, Z: npt.ArrayLike) -> np.ndarray:
        """Rows, the means of p(x|z): [n, columns]."""
        check_is_fitted(self)
        return self.model_.decode(Z)

    def score_samples(self, X: npt.ArrayLike) -> np.ndarray:
        """log p(x) of each row in nats, from k samples, a lower bound on average: [n]."""
        X = self._rows(X)
        return evaluation.log_likelihood(self.model_, X, k=self.k).per_example

    def score(self, X: npt.ArrayLike, y: Any = None) -> float:
        """The mean of `score_samples`: what a search makes large."""
        return float(np.mean(self.score_samples(X)))

    def sample(self, n_samples: int = 1, random_state: int | None = None) -> np.ndarray:
        """New rows, drawn from p(x): [n_samples, columns]."""
        check_is_fitted(self)
        return self.model_.sample(n_samples, seed=random_state, noise=True)

    def _rows(self, X, reset=False):
        if not reset:
            check_is_fitted(self)
        return validate_data(self, X, reset=reset, dtype="float32", ensure_min_samples=2 if reset else 1)

    @property
    def _n_features_out(self):  # for get_feature_names_out
        return self.latent_size
