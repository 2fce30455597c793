"""Fits: `fit(problem, session, *, settings...) -> Outcome`, from initial weights to the trained network."""

from measures.registry import registry
from workers.fits.least_squares import least_squares
from workers.fits.nuts import nuts
from workers.fits.sgd import sgd

fits = registry("fit", [sgd, least_squares, nuts])
