"""Online measures: `measure(network, loss, *, settings...) -> Online`, fed by the training loop at every step."""

from measures.registry import registry
from workers.online.bias_trajectory import bias_trajectory
from workers.online.bias_variance import bias_variance
from workers.online.distance_to_initialisation import distance_to_initialisation
from workers.online.gradient_norm import gradient_norm

online = registry("online measure", [bias_trajectory, bias_variance, distance_to_initialisation, gradient_norm])
