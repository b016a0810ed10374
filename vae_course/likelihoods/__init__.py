"""p(x|z): what the decoder's output says of an example. Each part is a Keras layer with `distribution(output, c)`.

base      Likelihood: missing entries, what whole numbers are; subclass it for your own
support   the check that data lie where the likelihood can have them
pixels    Bernoulli, DiscretizedLogistic, CategoricalPixels
real      Gaussian, Laplace, StudentT: one scale or many, fixed, learned or decoded
counts    Poisson, NegativeBinomial, with an exposure where there is one; Categorical, one of several classes
columns   Columns: a table whose columns are of different kinds
tokens    Tokens: each token given those before it
"""

from vae_course.likelihoods.base import Likelihood
from vae_course.likelihoods.columns import Columns
from vae_course.likelihoods.counts import Categorical, NegativeBinomial, Poisson
from vae_course.likelihoods.pixels import Bernoulli, CategoricalPixels, DiscretizedLogistic
from vae_course.likelihoods.real import Gaussian, Laplace, StudentT
from vae_course.likelihoods.tokens import Tokens

__all__ = [
    "Bernoulli",
    "Categorical",
    "CategoricalPixels",
    "Columns",
    "DiscretizedLogistic",
    "Gaussian",
    "Laplace",
    "Likelihood",
    "NegativeBinomial",
    "Poisson",
    "StudentT",
    "Tokens",
]

LIKELIHOODS = {
    "bernoulli": Bernoulli,
    "discretized_logistic": DiscretizedLogistic,
    "categorical_pixels": CategoricalPixels,
    "gaussian": Gaussian,
    "laplace": Laplace,
    "student_t": StudentT,
    "poisson": Poisson,
    "negative_binomial": NegativeBinomial,
}
