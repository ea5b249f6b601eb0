//! What the words of the panel mean.

use crate::ui::glossary::Term;

pub(super) const SEED: Term = Term {
    name: "seed",
    text: "Number that the starting noise is made from, 0 and up.\n\
           The same seed, class and settings give the same picture, on any machine.\n\
           With several pictures each takes the next number.",
};
pub(super) const STEPS: Term = Term {
    name: "steps",
    text: "How often the network is asked on the way from noise to tokens.\n\
           The published figures use 250; 50 already look alike, and take a fifth of the time.",
};
pub(super) const SAMPLER: Term = Term {
    name: "sampler",
    text: "How a step is made. A SiT: ode (Euler), heun (two evaluations a step, more exact), sde (adds fresh noise,\n\
           what the published figures use). A DiT: ddpm (ancestral, learned variance).",
};
pub(super) const PATH: Term = Term {
    name: "path",
    text: "How data and noise are mixed at time t: linear (1 - t, t) or cosine (cos, sin of t pi / 2).\n\
           A SiT: the one it was trained on, for the sde sampler. A DiT: its noise schedule.",
};
pub(super) const GUIDANCE: Term = Term {
    name: "guidance",
    text: "Classifier-free guidance: prediction = uncond + scale (cond - uncond). 1 is none.\n\
           Higher is closer to the class and less varied. A step then costs two evaluations.\n\
           It acts only where t is in the interval; t runs from 1 (noise) to 0 (data).",
};
pub(super) const NOISE_LEVEL: Term = Term {
    name: "noise level",
    text: "How much of the picture is noise before sampling goes on, 0..1.\n\
           Small keeps nearly everything, 1 keeps nothing. It takes its share of the steps.",
};
