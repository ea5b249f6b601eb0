//! Brush and painting in a workspace: what a person has asked for, and what becomes of it when things change meanwhile.

use crate::support::fixtures;
use softscope::document::{
    Import, NoticeKind, PaintOrder, PaintTarget, Places, Recipe, Workspace, apply_edits,
};
use softscope::engine::{
    Ablation, Analysed, AnalysisKind, Engine, NearHull, PaintSettings, PaintTokens, RunOptions, SubjectId,
};
use softscope::latent::Edit;
use softscope::picture::{Brush, Mask, Rgb8};
use softscope::tokenizer::ModelFiles;
use std::sync::Arc;
use tempfile::TempDir;

/// A workspace with a small model and one picture.
struct Bench {
    folder: TempDir,
    workspace: Workspace,
}

/// Slopes and edges, others for every seed.
fn picture(seed: u32) -> Arc<Rgb8> {
    let pixel = |x: u32, y: u32| [(x * 3) as u8, (y * 5 + seed * 40) as u8, ((x ^ y) * 4) as u8];
    let data = (0..64)
        .flat_map(|y| (0..64).flat_map(move |x| pixel(x, y)))
        .collect();
    Arc::new(Rgb8::new(64, 64, data).unwrap())
}

impl Bench {
    fn new(set: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        let places = Places {
            shipped_models: None,
            installed_models: data.join("models"),
            samples: None,
            hub: softscope::hub::Settings::offline_in(data.join("hub")),
            data,
        };
        let options = RunOptions {
            threads: Some(1),
            ..RunOptions::default()
        };
        let workspace = Workspace::new(Engine::start(options, || {}), places, || {});
        let mut bench = Self { folder, workspace };
        bench.open(set);
        bench.add(1);
        bench
    }

    fn open(&mut self, set: &str) {
        let folder = self.folder.path().join(set);
        fixtures::write_model(&fixtures::folder(set), &folder);
        self.workspace.open_model(ModelFiles::locate(&folder).unwrap());
        self.workspace.settle();
    }

    fn add(&mut self, seed: u32) -> SubjectId {
        self.workspace.import(Import::Pixels {
            name: format!("picture {seed}"),
            picture: picture(seed),
        });
        self.quiet();
        let id = self.workspace.subjects().last().unwrap().id;
        self.workspace.set_active(id);
        self.quiet();
        id
    }

    fn quiet(&mut self) {
        assert_eq!(self.workspace.settle(), []);
    }

    /// Settles with exactly one message of this kind.
    fn complaint(&mut self, kind: NoticeKind) -> String {
        let notices = self.workspace.settle();
        let [notice] = &notices[..] else {
            panic!("one notice expected: {notices:?}")
        };
        assert_eq!(notice.kind, kind);
        notice.text.clone()
    }

    fn side(&self) -> u32 {
        self.workspace.model().unwrap().args.image_size as u32
    }

    /// The middle of the picture.
    fn mask(&self) -> Arc<Mask> {
        let side = self.side() as f32;
        let mut mask = Mask::even(self.side(), 0.0);
        let brush = Brush {
            radius: 0.3 * side,
            erases: false,
        };
        mask.draw(brush, [0.5 * side; 2], [0.5 * side; 2]);
        Arc::new(mask)
    }

    fn order(&self, steps: usize) -> PaintOrder {
        PaintOrder {
            mask: self.mask(),
            target: PaintTarget::Colour([230, 40, 40]),
            tokens: PaintTokens::All,
            settings: PaintSettings {
                steps,
                near_hull: NearHull::Free,
                ..PaintSettings::default()
            },
        }
    }

    /// Starts a painting that would never end and waits until it has found something.
    fn paint_without_end(&mut self) {
        let order = self.order(1_000_000);
        self.workspace.paint(&order);
        while self.workspace.painting().is_none_or(|step| step.best.is_none()) {
            assert_eq!(self.workspace.update(), []);
            std::thread::yield_now();
        }
        assert!(self.workspace.is_painting() && self.workspace.is_busy());
    }

    fn applied(&self) -> &[Edit] {
        self.workspace.active().unwrap().history.applied()
    }

    fn shown(&self) -> Vec<u8> {
        let shown = self.workspace.active().unwrap().edited.as_ref().unwrap();
        shown.picture.as_bytes().to_vec()
    }
}

#[test]
fn a_painting_is_one_step_that_undo_takes_back_and_a_recipe_holds() {
    for set in ["a3_softvq_nol2", "a4_kl16_vit"] {
        let mut bench = Bench::new(set);
        let before = bench.shown();
        let order = bench.order(25);
        bench.workspace.paint(&order);
        bench.quiet();
        let step = Arc::clone(bench.workspace.painting().unwrap());
        assert!(step.is_last && step.curve.len() == 26 && !bench.workspace.is_painting());
        let best = step.best.as_ref().unwrap();
        assert!(best.figures.region < step.curve[0].region, "{set}: {best:?}");
        assert_eq!(bench.applied(), std::slice::from_ref(&best.edit));
        let painted = bench.shown();
        assert_ne!(painted, before);
        // A recipe file makes the same tokens anew.
        let recipe = Recipe::from_json(&bench.workspace.recipe().unwrap().to_json()).unwrap();
        let subject = bench.workspace.active().unwrap();
        let space = &bench.workspace.model().unwrap().space;
        let encoded = &subject.encoded.as_ref().unwrap().state;
        let state = apply_edits(space, encoded, &recipe.edits).unwrap();
        assert_eq!(state.z, subject.edited.as_ref().unwrap().state.z);
        bench.workspace.undo();
        bench.quiet();
        assert_eq!(bench.shown(), before);
        bench.workspace.redo();
        bench.quiet();
        assert_eq!(bench.shown(), painted);
    }
}

#[test]
fn stopping_keeps_the_best_and_discarding_keeps_nothing() {
    let mut bench = Bench::new("a3_softvq_nol2");
    let before = bench.shown();
    bench.paint_without_end();
    assert_eq!(bench.applied(), []);
    assert!(bench.workspace.discard_painting());
    bench.quiet();
    assert!(!bench.workspace.is_painting() && !bench.workspace.discard_painting());
    assert_eq!((bench.applied(), bench.shown()), (&[][..], before.clone()));

    bench.paint_without_end();
    bench.workspace.stop_painting();
    bench.quiet();
    let best = bench.workspace.painting().unwrap().best.clone().unwrap();
    assert_eq!(bench.applied(), [best.edit]);
    assert_ne!(bench.shown(), before);
}

#[test]
fn an_edit_or_another_picture_or_model_gives_it_up() {
    let mut bench = Bench::new("a3_softvq_nol2");
    let first = bench.workspace.active().unwrap().id;
    bench.add(2);
    bench.paint_without_end();
    bench.workspace.edit(Edit::Zero { tokens: vec![1] });
    let text = bench.complaint(NoticeKind::Warning);
    assert!(text.contains("the tokens were edited"), "{text}");
    assert_eq!(bench.applied(), [Edit::Zero { tokens: vec![1] }]);

    bench.paint_without_end();
    bench.workspace.set_active(first);
    let text = bench.complaint(NoticeKind::Warning);
    assert!(text.contains("another picture was chosen"), "{text}");
    assert_eq!(bench.applied(), []);

    let second = bench.workspace.subjects()[1].id;
    bench.workspace.remove(second);
    bench.paint_without_end();
    let folder = bench.folder.path().join("a4_kl16_vit");
    fixtures::write_model(&fixtures::folder("a4_kl16_vit"), &folder);
    bench.workspace.open_model(ModelFiles::locate(&folder).unwrap());
    let text = bench.complaint(NoticeKind::Warning);
    assert!(text.contains("another model was opened"), "{text}");
    assert!(!bench.workspace.is_painting() && bench.workspace.painting().is_none());
    assert_eq!(bench.applied(), []);
}

#[test]
fn cancel_ends_a_painting_without_a_step() {
    let mut bench = Bench::new("a3_softvq_nol2");
    bench.paint_without_end();
    bench.workspace.cancel();
    bench.quiet();
    assert!(!bench.workspace.is_painting());
    assert_eq!(bench.applied(), []);
}

#[test]
fn a_patch_of_another_picture_is_what_is_wanted_and_its_errors_say_what_to_do() {
    let mut bench = Bench::new("a3_softvq_nol2");
    let target = bench.workspace.active().unwrap().id;
    bench.add(3);
    let side = bench.side() as i32;
    let patch = |offset| PaintTarget::Picture {
        subject: target,
        offset,
    };
    let order = PaintOrder {
        target: patch([2, -1]),
        ..bench.order(10)
    };
    bench.workspace.paint(&order);
    bench.quiet();
    let step = bench.workspace.painting().unwrap();
    let best = step.best.as_ref().unwrap();
    assert!(best.figures.region < step.curve[0].region);
    assert_eq!(bench.applied().len(), 1);

    let refused = [
        (
            patch([side, 0]),
            bench.mask(),
            PaintTokens::All,
            "outside of the other picture",
        ),
        (
            patch([0, 0]),
            Arc::new(Mask::even(bench.side(), 0.0)),
            PaintTokens::All,
            "nothing lies under the brush",
        ),
        (
            patch([0, 0]),
            bench.mask(),
            PaintTokens::List(Vec::new()),
            "no token may move",
        ),
    ];
    for (target, mask, tokens, said) in refused {
        let order = PaintOrder {
            target,
            mask,
            tokens,
            ..bench.order(10)
        };
        bench.workspace.paint(&order);
        let text = bench.complaint(NoticeKind::Error);
        assert!(text.contains(said), "{text}");
    }
    let of_another_size = PaintOrder {
        mask: Arc::new(Mask::even(bench.side() + 1, 1.0)),
        ..bench.order(10)
    };
    bench.workspace.paint(&of_another_size);
    bench.complaint(NoticeKind::Error);
    assert_eq!(bench.applied().len(), 1);
}

#[test]
fn the_ranking_follows_the_brush_and_the_tokens() {
    let mut bench = Bench::new("a3_softvq_nol2");
    bench.workspace.set_brush(None, true);
    bench.quiet();
    assert!(
        bench.workspace.brush_ranking().by_gradient.is_empty(),
        "no brush, no ranking"
    );
    let mask = bench.mask();
    bench.workspace.set_brush(Some(Arc::clone(&mask)), true);
    bench.quiet();
    let ranking = bench.workspace.brush_ranking();
    assert!(ranking.by_gradient.len() == 8 && ranking.by_ablation.is_empty() && !ranking.is_behind);
    assert!(ranking.by_gradient.is_sorted_by(|(_, a), (_, b)| a >= b));

    bench.workspace.analyse(AnalysisKind::Influence, Ablation::Mean);
    bench.quiet();
    let by_ablation = bench.workspace.brush_ranking().by_ablation;
    let finding = bench.workspace.finding(AnalysisKind::Influence).unwrap();
    let Analysed::Influence(found) = &*finding.found else {
        panic!("expected influence")
    };
    let expected = found.maps[0].ranking_within(&mask).unwrap();
    let expected: Vec<_> = expected
        .iter()
        .map(|found| (found.token, found.mean_change))
        .collect();
    assert_eq!(by_ablation, expected);

    let all = Arc::new(Mask::even(bench.side(), 1.0));
    bench.workspace.set_brush(Some(all), true);
    assert!(bench.workspace.brush_ranking().is_behind);
    bench.quiet();
    let of_all = bench.workspace.brush_ranking();
    assert!(!of_all.is_behind);
    assert_ne!(of_all.by_gradient, ranking.by_gradient);
    assert_ne!(of_all.by_ablation, by_ablation);

    bench.workspace.edit(Edit::Zero { tokens: vec![0] });
    bench.quiet();
    let edited = bench.workspace.brush_ranking();
    assert!(!edited.is_behind && edited.by_gradient != of_all.by_gradient);
    assert!(
        edited.by_ablation.is_empty(),
        "influence was measured of other tokens"
    );
}
