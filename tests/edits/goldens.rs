//! The reference's figures.

use super::{assert_close, encoded};
use safetensors::SafeTensors;
use softscope::latent::{
    BlendMode, Bottleneck, Codebook, Edit, LatentSpace, LatentState, TokenSource, Tokens, apply,
};

fn floats(file: &SafeTensors, name: &str) -> (Vec<usize>, Vec<f32>) {
    let view = file
        .tensor(name)
        .unwrap_or_else(|error| panic!("{name}: {error}"));
    let values = view
        .data()
        .as_chunks()
        .0
        .iter()
        .map(|bytes| f32::from_le_bytes(*bytes))
        .collect();
    (view.shape().to_vec(), values)
}

fn picture_tokens((shape, values): &(Vec<usize>, Vec<f32>), picture: usize) -> Tokens {
    let [_, count, dim] = shape[..] else {
        panic!("{shape:?}")
    };
    Tokens::new(
        count,
        dim,
        values[picture * count * dim..][..count * dim].to_vec(),
    )
    .unwrap()
}

/// One golden set: where its tensors are, under which prefix, and its edit figures.
struct Golden<'a> {
    io: &'a SafeTensors<'a>,
    model: &'a SafeTensors<'a>,
    prefix: &'a str,
    l2_norm: bool,
    swap: (usize, usize),
    zero: usize,
}

impl Golden<'_> {
    fn io(&self, name: &str) -> (Vec<usize>, Vec<f32>) {
        floats(self.io, &format!("{}{name}", self.prefix))
    }

    fn space(&self) -> LatentSpace {
        let (shape, values) = floats(self.model, &format!("{}quantize.embedding", self.prefix));
        let [segments, size, dim] = shape[..] else {
            panic!("{shape:?}")
        };
        let codebook = Codebook::new(segments, size, dim, self.l2_norm, 0.07, values).unwrap();
        let token_count = self.io("z").0[1];
        LatentSpace {
            token_count,
            dim,
            bottleneck: Bottleneck::Soft(codebook),
            mean: 0.0,
            std: 0.05,
        }
    }

    fn state(&self, space: &LatentSpace, picture: usize) -> LatentState {
        encoded(space, picture_tokens(&self.io("h"), picture))
    }

    /// Weights and tokens of every picture, and the reference's four edits.
    fn check(&self) {
        let space = self.space();
        let (shape, probabilities) = self.io("softvq.probs");
        let [segments, rows, size] = shape[..] else {
            panic!("{shape:?}")
        };
        let (h, z) = (self.io("h"), self.io("z"));
        let (pictures, count) = (h.0[0], h.0[1]);
        let per_segment = count / segments;
        assert_eq!(rows, pictures * per_segment);
        for picture in 0..pictures {
            let state = self.state(&space, picture);
            for token in 0..count {
                let segment = space.mixing().unwrap().segment_of(token, count);
                assert_eq!(segment, token / per_segment);
                let row = segment * rows + picture * per_segment + token % per_segment;
                let mixture = state.mixture(token).unwrap();
                assert_close(&mixture.weights, &probabilities[row * size..][..size], 1e-5);
            }
            assert_close(&state.z.values, &picture_tokens(&z, picture).values, 1e-5);
        }
        self.check_edits(&space);
    }

    fn check_edits(&self, space: &LatentSpace) {
        let z = self.io("z");
        let first = LatentState {
            z: picture_tokens(&z, 0),
            ..self.state(space, 0)
        };
        let other = TokenSource::Embedded {
            z: picture_tokens(&z, 1).to_rows(),
            name: None,
        };
        let all: Vec<usize> = (0..first.z.count).collect();
        let half = all[all.len() / 2..].to_vec();
        let (a, b) = self.swap;
        for (name, edit) in [
            ("swap", Edit::Swap { a, b }),
            (
                "zero",
                Edit::Zero {
                    tokens: vec![self.zero],
                },
            ),
            (
                "splice",
                Edit::Copy {
                    from: other.clone(),
                    tokens: half,
                    to: vec![],
                },
            ),
            (
                "lerp",
                Edit::Blend {
                    with: other,
                    tokens: all,
                    t: 0.3,
                    mode: BlendMode::Linear,
                },
            ),
        ] {
            let mut state = first.clone();
            apply(space, &first, &mut state, &edit).unwrap();
            let expected = picture_tokens(&self.io(&format!("edit.{name}.z")), 0);
            let tolerance = if name == "lerp" { 1e-7 } else { 0.0 };
            assert_close(&state.z.values, &expected.values, tolerance);
        }
    }
}

/// Swap and zero as in each set's `meta.json`.
const SETS: [(&str, bool, (usize, usize), usize); 3] = [
    ("a1_softvq_k1", true, (1, 5), 2),
    ("a2_softvq_k4", true, (2, 13), 7),
    ("a3_softvq_nol2", false, (1, 5), 2),
];

#[test]
fn mixtures_and_edits_equal_the_fixtures() {
    let bytes = std::fs::read(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/fixtures/latent.safetensors"
    ))
    .unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    for (name, l2_norm, swap, zero) in SETS {
        if file.names().iter().any(|tensor| tensor.starts_with(name)) {
            Golden {
                io: &file,
                model: &file,
                prefix: &format!("{name}/"),
                l2_norm,
                swap,
                zero,
            }
            .check();
        }
    }
}

#[test]
fn mixtures_and_edits_equal_the_goldens() {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/goldens/tiny");
    if !std::path::Path::new(root).exists() {
        eprintln!("SKIPPED: {root} is not there; the copies in tests/fixtures are still checked");
        return;
    }
    for (name, l2_norm, swap, zero) in SETS {
        let read = |file: &str| std::fs::read(format!("{root}/{name}/{file}")).unwrap();
        let (io, model) = (read("io.safetensors"), read("model.safetensors"));
        let (io, model) = (
            SafeTensors::deserialize(&io).unwrap(),
            SafeTensors::deserialize(&model).unwrap(),
        );
        Golden {
            io: &io,
            model: &model,
            prefix: "",
            l2_norm,
            swap,
            zero,
        }
        .check();
    }
}
