//! Which figure the cells are coloured by.

use crate::analysis::TokenQuantity;
use crate::latent::Bottleneck;
use crate::ui::glossary::{self, Term};
use egui::Response;

/// The figure that is wanted, and the one that is shown because these tokens have it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Colouring {
    pub(super) wanted: TokenQuantity,
    pub(super) shown: TokenQuantity,
}

impl Colouring {
    /// `wanted`, or the norm, which every token has, where `has_values` says that no token has what is wanted.
    pub(super) fn new(wanted: TokenQuantity, has_values: bool) -> Self {
        let shown = if has_values { wanted } else { TokenQuantity::Norm };
        Self { wanted, shown }
    }

    /// What the legend says.
    pub(super) fn text(self) -> String {
        let (shown, ..) = quantity_words(self.shown);
        if self.wanted == self.shown {
            return format!("colour: {shown}");
        }
        let (wanted, ..) = quantity_words(self.wanted);
        format!("{wanted} not known: {shown}")
    }

    /// Adds to a widget what the colours mean and, where they are not those that were wanted, why.
    pub(super) fn explain(self, response: Response, bottleneck: &Bottleneck) -> Response {
        let (shown, _, term) = quantity_words(self.shown);
        if self.wanted == self.shown {
            return glossary::explain(response, term);
        }
        let (wanted, ..) = quantity_words(self.wanted);
        response.on_hover_ui(|ui| {
            ui.set_max_width(320.0);
            ui.strong(format!("{wanted} not known"));
            ui.label(format!(
                "No token of this picture has {}: it was generated, imported or edited as values alone. The cells are \
                 coloured by {shown} instead; pictures whose tokens have the {wanted} are coloured by it as chosen.",
                what_is_absent(bottleneck)
            ));
            ui.add_space(4.0);
            ui.strong(term.name);
            ui.label(term.text);
        })
    }
}

/// What the figures of this class are computed from, which free tokens come without.
fn what_is_absent(bottleneck: &Bottleneck) -> &'static str {
    match bottleneck {
        Bottleneck::Soft(_) => "a mixture of codewords (Project gives it one)",
        Bottleneck::Hard(_) => "an encoder's output behind it",
        Bottleneck::Gaussian => "a distribution behind it",
        Bottleneck::Identity => "more than its values",
    }
}

/// Name, unit and explanation of a figure.
pub(super) fn quantity_words(quantity: TokenQuantity) -> (&'static str, &'static str, Term) {
    match quantity {
        TokenQuantity::Entropy => ("entropy", "nats", glossary::ENTROPY),
        TokenQuantity::MaxWeight => ("max weight", "", glossary::MAX_WEIGHT),
        TokenQuantity::Norm => ("norm", "", glossary::NORM),
        TokenQuantity::Edited => ("moved by", "σ", glossary::EDITED),
        TokenQuantity::HullDistance => ("hull distance", "", glossary::HULL),
        TokenQuantity::CodewordDistance => ("codeword distance", "", glossary::CODEWORD_DISTANCE),
        TokenQuantity::Deviation => ("deviation", "", glossary::DEVIATION),
        TokenQuantity::Divergence => ("KL", "nats", glossary::DIVERGENCE),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_that_no_token_has_gives_way_to_the_norm() {
        let known = Colouring::new(TokenQuantity::Entropy, true);
        assert_eq!(
            (known.shown, &*known.text()),
            (TokenQuantity::Entropy, "colour: entropy")
        );
        let unknown = Colouring::new(TokenQuantity::Deviation, false);
        assert_eq!(unknown.wanted, TokenQuantity::Deviation);
        assert_eq!(unknown.shown, TokenQuantity::Norm);
        assert_eq!(unknown.text(), "deviation not known: norm");
    }
}
