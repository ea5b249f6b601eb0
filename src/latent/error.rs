/// Why an edit cannot be applied. The state it was meant for is as before.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum EditError {
    /// A token index beyond the sequence.
    #[error("token {token} does not exist: use a token from 0 to {last}", last = .count.saturating_sub(1))]
    TokenOutOfRange {
        /// As given.
        token: usize,
        /// L of the picture.
        count: usize,
    },
    /// An empty token list.
    #[error("the edit lists no tokens: list at least one")]
    NoTokens,
    /// The same token twice in one list.
    #[error("token {token} is listed twice: list each token once")]
    DuplicateToken {
        /// The second of its kind.
        token: usize,
    },
    /// A value index beyond the token.
    #[error("token {token} has no value {dim}: use a value from 0 to {last}", last = .dims.saturating_sub(1))]
    DimOutOfRange {
        /// Token that was addressed.
        token: usize,
        /// As given.
        dim: usize,
        /// D of the model.
        dims: usize,
    },
    /// A codeword index beyond the segment.
    #[error(
        "codeword {codeword} does not exist in segment {segment}: use a codeword from 0 to {last}",
        last = .size.saturating_sub(1)
    )]
    CodewordOutOfRange {
        /// Segment of the token.
        segment: usize,
        /// As given.
        codeword: usize,
        /// n, codewords per segment.
        size: usize,
    },
    /// A codeword of a segment that the token does not mix.
    #[error(
        "token {token} mixes codewords of segment {expected}, not of segment {given}: write {expected} there"
    )]
    SegmentMismatch {
        /// Token that was addressed.
        token: usize,
        /// Segment in the edit.
        given: usize,
        /// Segment of the token's mixture.
        expected: usize,
    },
    /// `set_weights` without weights.
    #[error(
        "the edit lists no codeword weights for token {token}: list at least one [segment, codeword, weight]"
    )]
    NoWeights {
        /// Token that was addressed.
        token: usize,
    },
    /// The same codeword twice in one list.
    #[error("codeword {codeword} of token {token} is listed twice: list each codeword once")]
    DuplicateCodeword {
        /// Token that was addressed.
        token: usize,
        /// The second of its kind.
        codeword: usize,
    },
    /// No weight above 0 is left to share out.
    #[error("the weights of token {token} would all be 0: give at least one codeword a weight above 0")]
    NoMass {
        /// Token that was addressed.
        token: usize,
    },
    /// A number outside what it may be, infinities and NaN included.
    #[error("{what} is {value}: use a number {range}")]
    ValueOutOfRange {
        /// Field of the edit.
        what: &'static str,
        /// As given.
        value: f32,
        /// What is allowed, such as "above 0".
        range: &'static str,
    },
    /// `harden` to none, or to more codewords than there are.
    #[error("cannot keep {top} codewords: keep 1 to {size}")]
    TopOutOfRange {
        /// As given.
        top: usize,
        /// n, codewords per segment.
        size: usize,
    },
    /// The encoder output behind a token is needed and not known.
    #[error(
        "the encoder output behind token {token} is not known (it came from a token file or another picture), so no \
         temperature can be applied: restore the token first, or use harden or set_weights"
    )]
    EncoderOutputUnknown {
        /// Token that was addressed.
        token: usize,
    },
    /// `sample` without the encoder output that holds the distribution.
    #[error(
        "the encoder output behind token {token} is not known (it came from a token file or another picture), so \
         there is no distribution to sample from: restore the token first, or use noise"
    )]
    DistributionUnknown {
        /// Token that was addressed.
        token: usize,
    },
    /// An edit of mixtures, in a class without them.
    #[error(
        "{edit} needs tokens that are mixtures of codewords, as in SoftVQ; this model's class is {class}: \
         use an edit of values, such as set_value, scale or blend"
    )]
    NoMixtures {
        /// Type of the edit.
        edit: &'static str,
        /// Name of the model's class.
        class: &'static str,
    },
    /// `project` in a class without codewords.
    #[error(
        "project needs codewords, as SoftVQ and VQ models have; this model's class is {class}, whose tokens are free"
    )]
    NoCodebook {
        /// Name of the model's class.
        class: &'static str,
    },
    /// `sample` in a class without distributions.
    #[error(
        "sample needs the normal distributions of a KL model; this model's class is {class}: use noise, which every model takes"
    )]
    NoDistribution {
        /// Name of the model's class.
        class: &'static str,
    },
    /// `set_weights` on a token of a VQ model with anything but one codeword.
    #[error(
        "token {token} of a VQ model is one codeword: list one codeword with weight 1 and \"rest\": \"zero\""
    )]
    NotOneCodeword {
        /// Token that was addressed.
        token: usize,
    },
    /// Tokens given as a path that nobody has read yet.
    #[error("the tokens of '{path}' were not read: resolve the recipe's paths before applying it")]
    SourceUnresolved {
        /// As given.
        path: String,
    },
    /// Embedded tokens of another width or with values that are not finite.
    #[error(
        "row {row} of the given tokens has {found} values, this model's tokens have {expected}: use tokens of this model"
    )]
    SourceWidth {
        /// Row of the given tokens.
        row: usize,
        /// Its length.
        found: usize,
        /// D of the model.
        expected: usize,
    },
    /// A value of the embedded tokens or of a direction that is infinite or NaN.
    #[error("row {row} of the given values holds {value}: use finite numbers")]
    SourceNotFinite {
        /// Row of the given values.
        row: usize,
        /// The first that is not finite.
        value: f32,
    },
    /// A token that the embedded tokens lack.
    #[error("the given tokens have no token {token}: they are {count} (0 to {last})", last = .count.saturating_sub(1))]
    SourceTokenOutOfRange {
        /// As given.
        token: usize,
        /// Rows of the source.
        count: usize,
    },
    /// `copy` with another number of targets than sources.
    #[error("{tokens} tokens cannot be copied to {targets} places: list one place for each token, or none")]
    TargetCount {
        /// Length of `tokens`.
        tokens: usize,
        /// Length of `to`.
        targets: usize,
    },
    /// A direction by a name that nobody has looked up.
    #[error(
        "the direction '{name}' was not found: give its values as a vector, or save a direction of that name"
    )]
    DirectionUnresolved {
        /// As given.
        name: String,
    },
    /// A direction of neither one row nor a row per token, or of another width.
    #[error("the direction has {rows} rows of {width} values: give 1 or {count} rows of {dim} values")]
    DirectionShape {
        /// Rows given.
        rows: usize,
        /// Length of the first row of a wrong length, else of the first row.
        width: usize,
        /// L of the picture.
        count: usize,
        /// D of the model.
        dim: usize,
    },
    /// Numbers that grow beyond f32.
    #[error("token {token} would hold a value beyond the largest number of 32 bits: use smaller numbers")]
    Overflow {
        /// Token that would.
        token: usize,
    },
    /// A state that does not belong to the model.
    #[error(
        "the tokens are {count} x {dim}, the model's are {expected_count} x {expected_dim}: use tokens of this model"
    )]
    StateShape {
        /// Tokens of the state.
        count: usize,
        /// Values per token of the state.
        dim: usize,
        /// L of the state before any edit.
        expected_count: usize,
        /// D of the model.
        expected_dim: usize,
    },
}
