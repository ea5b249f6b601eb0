//! What the words of the view mean.

use crate::ui::glossary::Term;

pub(super) const ABLATION: Term = Term {
    name: "ablation",
    text: "The decode of all tokens minus the decode with one token left out, whatever takes its place: what the picture\n\
           loses without it. Absolute values, channels averaged, in steps of 8-bit values, before clamping.",
};
pub(super) const GRADIENT: Term = Term {
    name: "gradient",
    text: "What ablation would find were the decoder linear around the tokens: its derivative along the way from what\n\
           takes a token's place to the token. It says little where the decoder bends on that way.",
};
pub(super) const AGREEMENT: Term = Term {
    name: "agreement",
    text: "Cosine between the signed maps of gradient and ablation, all tokens together: 1 where they differ by a factor\n\
           alone, 0 where they have nothing in common. Rank: Spearman's correlation of the tokens' mean changes, -1..1.",
};
pub(super) const IN_ITS_PLACE: Term = Term {
    name: "in its place",
    text: "What takes the place of a token that is left out: the data-set mean, the least informative value; zero; or the\n\
           token plus Gaussian noise of one deviation of the latent, which asks how sensitive the picture is to it.",
};
pub(super) const ORDERS: Term = Term {
    name: "PSNR in dB by tokens kept",
    text: "PSNR in dB against the picture, by the number of tokens kept, the others at the data-set mean.\n\
           First tokens: in the order of the sequence. Best tokens: at each step the token that helps most.\n\
           Where both curves lie close, the order of the sequence is one of importance.",
};
pub(super) const PAIRS: Term = Term {
    name: "pairs",
    text: "What leaving out two tokens changes beyond the sum of leaving out each alone: mean absolute value in steps of\n\
           8-bit values. 0 where the decoder adds the two up. Ablation, with what is chosen to be in their place.",
};
pub(super) const SENSITIVITY: Term = Term {
    name: "sensitivity by direction",
    text: "Singular values of the decoder's Jacobian for one token, largest first: root mean square change of the picture\n\
           in steps of 8-bit values for a move by one deviation of the latent along each singular direction.\n\
           A flat line uses all its directions, a steep one only a few.",
};
