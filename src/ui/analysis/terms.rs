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
pub(super) const BRUSH_GRADIENT: Term = Term {
    name: "by gradient",
    text: "Root mean square change of the pixels under the brush, in steps of 8-bit values, for a random move of the token\n\
           by one deviation of the latent, were the decoder linear: the Frobenius norm of their Jacobian, estimated\n\
           from 16 backward passes with random signs.",
};
pub(super) const BRUSH_ABLATION: Term = Term {
    name: "by ablation",
    text: "Mean absolute change of the pixels under the brush, in steps of 8-bit values, when the token is left out.",
};
pub(super) const BRUSH_AGREEMENT: Term = Term {
    name: "agreement",
    text: "Spearman's correlation of both rankings, -1..1: 1 where they have the same order.",
};
pub(super) const PAINT_ERROR: Term = Term {
    name: "error",
    text: "Root mean square difference in steps of 8-bit values: in the region from what is wanted, in the rest from the\n\
           picture before. The rest should stay small beside what the region gains.",
};
pub(super) const PAINT_HULL: Term = Term {
    name: "mixtures",
    text: "Tokens of a SoftVQ encoder are mixtures of codewords. Free: tokens may go anywhere. Near: going away from the\n\
           nearest mixture is penalised with this weight, per squared spread of the tokens' values.\n\
           Project: every few steps, and at the end, tokens become the nearest mixtures.",
};
pub(super) const PAINT_RATE: Term = Term {
    name: "first step",
    text: "How far a value moves in the first step, in units of the spread of the tokens' values; later steps are smaller.",
};
pub(super) const PAINT_HOLD: Term = Term {
    name: "hold the rest",
    text: "Weight of keeping the rest of the picture as it is, against the region's error. 0 lets the rest go.",
};
pub(super) const IN_ITS_PLACE: Term = Term {
    name: "in its place",
    text: "What takes the place of a token that is left out: the data-set mean, the least informative value; zero; or the\n\
           token plus Gaussian noise in units of the latent's deviation, which asks how sensitive the picture is to it.",
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
pub(super) const IN_PLACE: Term = Term {
    name: "alone in a token",
    text: "The picture with this codeword alone in a token's place: weight 1, all others 0. Far from what the encoder makes,\n\
           which mixes many, but it shows the direction in which the codeword pulls.",
};
pub(super) const USE: Term = Term {
    name: "use of a codeword",
    text: "Mean weight over all tokens of the codeword's segment, in all pictures of the collection; an even share would be\n\
           one over the number of codewords. Rank 1 is the codeword that is used most.",
};
pub(super) const IN_USE: Term = Term {
    name: "codewords in use",
    text: "exp of the entropy of the mean weights: how many codewords the pictures use on the whole, 1..n.\n\
           Near n the whole codebook is used; far below, much of it lies idle. Paper: codebook usage.",
};
pub(super) const NEVER_FIRST: Term = Term {
    name: "never heaviest",
    text: "Codewords that were never the heaviest of a token. In a soft mixture they may still carry much together.",
};
pub(super) const DEAD: Term = Term {
    name: "dead codeword",
    text: "A codeword that was never the heaviest of a token and whose mean weight is under a hundredth of an even share.",
};
pub(super) const TOGETHER: Term = Term {
    name: "codewords that go together",
    text: "Mean product of two weights over the tokens of the segment, where both are among a token's eight heaviest.\n\
           The number after × is the lift: that over the product of both mean weights; above 1 they come together more\n\
           often than by chance.",
};
pub(super) const SEPARATION: Term = Term {
    name: "separation",
    text: "How well the direction tells the two groups apart on pictures that were held out, which its means do not know.\n\
           Area under the ROC curve: 0.5 is chance, 1 is perfect. Right: by the midpoint between both means, with Wilson's\n\
           interval of 95 %; where that holds 50 %, chance would do as well.",
};
