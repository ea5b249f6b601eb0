//! What the words of the view mean.

use crate::ui::glossary::Term;

pub(super) const PICTURES: Term = Term {
    name: "pictures",
    text: "Folders of png, jpg, webp, gif, bmp or tiff files; only files directly in a folder count.\n\
           Pictures with transparency are cut-outs: they are laid over the other pictures at many places and sizes.\n\
           Some pictures are held out by the hash of their name, and never trained on: figures and sheets are of them.\n\
           A folder with `train` and `val` inside says itself what is held out.",
};
pub(super) const RESULTS: Term = Term {
    name: "results",
    text: "Folder that takes the model (config.json, model.safetensors), the state to go on from, log.csv and samples.\n\
           A folder among the installed models is an installed model at once, by its name.",
};
pub(super) const SIZE: Term = Term {
    name: "size",
    text: "Side of the pictures, tokens and their channels, codebook, width and depth of the networks.\n\
           More tokens and larger networks reconstruct better and learn more slowly.",
};
pub(super) const STEPS: Term = Term {
    name: "steps",
    text: "Updates of the weights. The learning rate falls along a cosine and is nearly 0 at the last step.",
};
pub(super) const MINUTES: Term = Term {
    name: "minutes",
    text: "Training is stopped after this time with all that was reached kept, and can be continued.\n\
           The learning rate is still high then: a run that does all its steps gives the better model.",
};
pub(super) const THREADS: Term = Term {
    name: "threads",
    text: "CPU threads that compute. One fewer than there are cores leaves a core to the window, and what is dragged\n\
           there stays quick. On Linux training stands back for everything else besides. Results do not depend on it.",
};
pub(super) const RATE: Term = Term {
    name: "learning rate",
    text: "Size of a step: up over the first steps, then down along a cosine. By the configuration.",
};
pub(super) const PSNR: Term = Term {
    name: "PSNR",
    text: "Mean PSNR of held-out pictures and their reconstructions, 8-bit, dB; higher is better.\n\
           photographs: opaque pictures; composites: cut-outs over a ground.\n\
           Measured on the running average of the weights, which is what is written as the model.",
};
pub(super) const CODEBOOK_USED: Term = Term {
    name: "codebook used",
    text: "Part of the codewords that are the strongest one of some held-out token. Low: the codebook has collapsed.",
};
pub(super) const PERPLEXITY: Term = Term {
    name: "codewords a token",
    text: "exp(entropy) of a token's mixture, mean over held-out tokens: how many codewords it effectively leans on.",
};
pub(super) const LOSS: Term = Term {
    name: "loss",
    text: "The weighted sum that is minimised, and its terms before weighting, on a logarithmic axis.\n\
           Faint: as it was; strong: smoothed. Terms below 0 are drawn with their sign turned.\n\
           Drag to move, Ctrl and scroll to zoom, double-click for all of it.",
};
