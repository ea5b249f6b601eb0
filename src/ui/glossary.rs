//! What the field's words and numbers mean: formula, range, what is good, the paper's term.

use egui::{Response, RichText, Sense, Ui};

/// A word or number of the field with its explanation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Term {
    /// As written in the window.
    pub name: &'static str,
    /// Formula, range, what is good, the paper's term; a few short lines.
    pub text: &'static str,
}

/// A latent vector of the sequence.
pub const TOKEN: Term = Term {
    name: "token",
    text: "One of the L latent vectors a picture becomes: D numbers, with no fixed place in the picture.\n\
           The encoder reads learnable tokens beside the patches and keeps only them.\n\
           SoftVQ: a mixture of codewords; VQ: one codeword; KL: the mean of a distribution; AE: values as they are.\n\
           Paper: 1-D latent token, z of L x D values.",
};
/// A row of the codebook.
pub const CODEWORD: Term = Term {
    name: "codeword",
    text: "One row of the codebook: a learned vector of D numbers.\n\
           Written segment:index, such as 0:317.\n\
           A token of SoftVQ is not one codeword but a weighted mean of many; one of VQ is a single codeword.",
};
/// The codeword weights behind a token.
pub const MIXTURE: Term = Term {
    name: "mixture",
    text: "The codeword weights of a SoftVQ token: w = softmax(cos(h, C) / tau); without l2 the inner product takes cos's place.\n\
           Every weight is 0 or more and they sum to 1; the token is z = w C. Tokens of VQ, KL and AE models have none.\n\
           Paper: the categorical posterior q(z|x), used as it is instead of its argmax.",
};
/// One codeword's share of a mixture, and how its bar is used.
pub const WEIGHT: Term = Term {
    name: "weight",
    text: "Share of one codeword in the token's mixture, 0..1.\n\
           When one weight is moved the others share what is left, in the proportion they had.\n\
           Drag a bar, turn the wheel over it with Alt held, type, or use the arrow keys.\n\
           Shift is fine, Ctrl snaps, double-click or Backspace resets, Esc takes a drag back.",
};
/// Temperature of the quantiser's softmax.
pub const TAU: Term = Term {
    name: "tau",
    text: "Temperature of SoftVQ's softmax: w = softmax(cos(h, C) / tau), above 0. The other classes have none.\n\
           Small is hard: one codeword takes all, as in VQ. Large is soft: all codewords weigh the same.\n\
           The mark is the value the model was trained with; the decoder knows only tokens made there.",
};
/// Entropy of a mixture in nats.
pub const ENTROPY: Term = Term {
    name: "entropy",
    text: "H = -sum w ln w, in nats, 0..ln n.\n\
           0: a single codeword; ln n: all n codewords weigh the same.\n\
           Neither end is good in itself: the trained tau decides where tokens live.",
};
/// Perplexity of a mixture.
pub const EFFECTIVE_CODEWORDS: Term = Term {
    name: "effective codewords",
    text: "Effective number of codewords: exp(H), 1..n (the perplexity of the mixture).\n\
           About as many codewords as carry the token.",
};
/// Largest weight of a mixture.
pub const MAX_WEIGHT: Term = Term {
    name: "max weight",
    text: "Largest weight of the mixture, 1/n..1.\n\
           Near 1 the token is almost a hard VQ code.",
};
/// One of the K codebooks and its part of the sequence.
pub const SEGMENT: Term = Term {
    name: "codebook segment",
    text: "SoftVQ may hold K codebooks: the sequence of tokens is cut into K equal parts, each with a codebook of its own.\n\
           A token mixes only codewords of its segment; VQ has one codebook, KL and AE none. Paper: multiple codebooks.",
};
/// Convex hull of a segment's codewords.
pub const HULL: Term = Term {
    name: "hull",
    text: "All mixtures of a segment's codewords: their convex hull. Every token a SoftVQ encoder makes lies inside.\n\
           Hull distance: Euclidean distance from the token to the nearest mixture, 0 or more; 0 is inside.\n\
           Project moves a token to that nearest mixture, so that it has codeword weights again.",
};
/// Length of a token.
pub const NORM: Term = Term {
    name: "norm",
    text: "Euclidean length of the token: sqrt(sum z^2).\n\
           SoftVQ with l2-normalised codewords: 0..1, the more codewords are mixed, the shorter. VQ with them: 1.\n\
           KL and AE tokens have no bound.",
};
/// Deviation of the latent over the training set.
pub const SIGMA: Term = Term {
    name: "sigma",
    text: "Deviation of single latent values over the training set (vq_std of config.json).\n\
           The natural unit of an edit: within about 2 sigma the decoder has seen such values.",
};
/// How far edits moved a token.
pub const EDITED: Term = Term {
    name: "moved by",
    text: "Euclidean distance of the token from its original, over sigma.\n\
           0: untouched. sqrt(2 D) is about the distance between two unrelated tokens.",
};
/// The edit that multiplies a token.
pub const SCALE: Term = Term {
    name: "scale",
    text: "Multiplies all values of the token: z -> f z, 0..2.\n\
           0 removes it, 1 changes nothing. Springs back to 1 when let go: each drag is one step.",
};
/// The edit that adds Gaussian noise.
pub const NOISE: Term = Term {
    name: "noise",
    text: "Adds Gaussian noise of the given sigma to every value; the seed makes it repeatable.\n\
           A robust token keeps its meaning up to about 0.5 sigma.",
};
/// Distance between a row of values and a codeword.
pub const CODEWORD_DISTANCE: Term = Term {
    name: "codeword distance",
    text: "Euclidean distance from the encoder's output to a codeword, both of unit length where the model normalises (then 0..2).\n\
           A VQ model puts the nearest codeword in the token's place: this is what it rounds away.",
};
/// The codeword that a hard quantiser chooses.
pub const NEAREST_CODEWORD: Term = Term {
    name: "nearest codeword",
    text: "A token of a VQ model is one codeword: the nearest one to what the encoder put out.\n\
           A token whose values were edited is none; this puts the nearest one in its place again.",
};
/// The distribution a KL model's encoder puts out.
pub const DISTRIBUTION: Term = Term {
    name: "distribution",
    text: "The encoder of a KL model puts out a normal distribution for every value: N(mean, deviation^2).\n\
           The token is the mean; in training it was a sample. Paper: the posterior q(z|x) of a VAE.",
};
/// Standard deviation of a value's distribution.
pub const DEVIATION: Term = Term {
    name: "deviation",
    text: "Standard deviation of a value's normal distribution, exp(logvar / 2), above 0; of a token the mean of all.\n\
           Small: the encoder is sure. Within about one deviation the decoder has seen such values for this picture.",
};
/// Divergence of a token's distribution from the prior.
pub const DIVERGENCE: Term = Term {
    name: "KL",
    text: "Divergence of the token's distribution from the standard normal one, in nats: 1/2 sum (mean^2 + var - 1 - ln var).\n\
           0: the token says nothing about the picture; the more, the more it says. Training weighs it very lightly.",
};
/// The edit that draws from a token's distribution.
pub const SAMPLE: Term = Term {
    name: "sample",
    text: "z = mean + amount x deviation x a normal draw, which the seed makes repeatable.\n\
           0 is the mean, 1 what the decoder was trained on; above, it leaves what it knows.",
};
/// The edit that keeps the heaviest codewords.
pub const TOP_K: Term = Term {
    name: "keep top",
    text: "Keeps the k heaviest codewords and renormalises, 1..n.\n\
           1 is the hard VQ code of the token: what SoftVQ would lose with an argmax.",
};
/// The edit that sets a token to the dataset's mean.
pub const MEAN: Term = Term {
    name: "mean",
    text: "Sets every value to the dataset's mean (vq_mean of config.json): a token that says nothing in particular.",
};
/// The edit that sets a token to zero.
pub const ZERO: Term = Term {
    name: "zero",
    text: "Sets every value to 0: what the decoder makes of the picture without this token.",
};
/// One of a token's D numbers, and how its bar is used.
pub const VALUE: Term = Term {
    name: "value",
    text: "One of the D numbers of the token as the decoder reads it, in sigma from the dataset's mean: (z - mean) / std.\n\
           Moving it takes a SoftVQ token off its mixture and a VQ token off its codeword: Project, or the nearest codeword,\n\
           brings it back. Tokens of KL and AE models are free.\n\
           Drag up and down, Shift is fine, Ctrl snaps to 0.25 sigma, double-click resets.",
};
/// Spherical interpolation.
pub const SLERP: Term = Term {
    name: "spherical",
    text: "Slerp: goes from a to b along the arc between them: (sin((1-t) v) a + sin(t v) b) / sin v, v their angle.\n\
           Keeps the length of the tokens, where linear goes through shorter ones.",
};
/// Linear interpolation.
pub const LINEAR: Term = Term {
    name: "linear",
    text: "(1 - t) a + t b: the straight line. The tokens get shorter half way, as a mean of two does.",
};
/// Place between two pictures.
pub const INTERPOLATION_T: Term = Term {
    name: "t",
    text: "Where between the two pictures: 0 is this one as edited, 1 is the other.",
};
/// Effect of a token on the pixels.
pub const INFLUENCE: Term = Term {
    name: "influence",
    text: "How much the decoded pixels change when the token changes, per pixel.\n\
           Tokens have no place of their own: this is where one shows.",
};
/// Peak signal-to-noise ratio.
pub const PSNR: Term = Term {
    name: "PSNR",
    text: "10 log10(1 / MSE) in dB on 0..1 values, against the original crop; higher is better.\n\
           Equal pictures: infinite. Good tokenizers reach 20 to 26 dB at this size.",
};
/// Structural similarity at data range 1.
pub const SSIM: Term = Term {
    name: "SSIM",
    text: "Structural similarity, -1..1, 1 is equal: 7x7 uniform window, channels averaged, data range 1 on 0..1 pictures.",
};
/// Structural similarity as the reference's script computes it.
pub const SSIM_PAPER: Term = Term {
    name: "SSIM (paper)",
    text: "The same with data range 2 on 0..1 pictures, as the reference's script computes it.\n\
           It is inflated: compare it only with figures published that way.",
};

/// The square a model reads.
pub const CROP: Term = Term {
    name: "crop",
    text: "The square the model reads: the picture halved by boxes, scaled bicubic, cut in the centre, as the reference evaluates.",
};

/// All terms, for a glossary window and for search.
pub const ALL: [Term; 33] = [
    TOKEN,
    CODEWORD,
    MIXTURE,
    WEIGHT,
    TAU,
    ENTROPY,
    EFFECTIVE_CODEWORDS,
    MAX_WEIGHT,
    SEGMENT,
    HULL,
    NORM,
    SIGMA,
    EDITED,
    SCALE,
    NOISE,
    TOP_K,
    MEAN,
    ZERO,
    VALUE,
    SLERP,
    LINEAR,
    INTERPOLATION_T,
    INFLUENCE,
    PSNR,
    SSIM,
    SSIM_PAPER,
    CROP,
    CODEWORD_DISTANCE,
    NEAREST_CODEWORD,
    DISTRIBUTION,
    DEVIATION,
    DIVERGENCE,
    SAMPLE,
];

/// The term's name with a dotted underline, explained on hover.
pub fn term_label(ui: &mut Ui, term: Term) -> Response {
    named_term_label(ui, term.name, term)
}

/// Any text with a dotted underline, explained on hover as `term`.
pub fn named_term_label(ui: &mut Ui, text: &str, term: Term) -> Response {
    let response = ui.add(
        egui::Label::new(RichText::new(text).weak())
            .selectable(false)
            .extend()
            .sense(Sense::hover()),
    );
    if ui.is_rect_visible(response.rect) {
        underline(ui, response.rect);
    }
    explain(response, term)
}

/// Adds the term's explanation to a widget as a tooltip.
pub fn explain(response: Response, term: Term) -> Response {
    response.on_hover_ui(|ui| {
        ui.set_max_width(320.0);
        ui.strong(term.name);
        ui.label(term.text);
    })
}

fn underline(ui: &Ui, rect: egui::Rect) {
    let color = ui.visuals().weak_text_color().gamma_multiply(0.6);
    let y = rect.bottom() - 0.5;
    ui.painter().extend(egui::Shape::dotted_line(
        &[egui::pos2(rect.left() + 1.0, y), egui::pos2(rect.right(), y)],
        color,
        3.0,
        0.6,
    ));
}

#[cfg(test)]
mod tests {
    use super::ALL;

    #[test]
    fn every_term_is_explained_once() {
        for (index, term) in ALL.iter().enumerate() {
            assert!(term.text.len() > 40, "{} needs an explanation", term.name);
            assert!(
                ALL[..index].iter().all(|other| other.name != term.name),
                "{} is there twice",
                term.name
            );
        }
    }
}
