use super::*;
use crate::formats::layer_names::LayerNames;
use crate::formats::tensor_file::natural_order;

/// A file whose numbers are all 0.25.
struct Quarters(Vec<TensorInfo>);

impl TensorFile for Quarters {
    fn source(&self) -> &str {
        "a.pth"
    }

    fn format(&self) -> &str {
        "a test"
    }

    fn tensors(&self) -> &[TensorInfo] {
        &self.0
    }

    fn metadata(&self, _key: &str) -> Option<&str> {
        None
    }

    fn read(&self, name: &str) -> Result<Vec<f64>> {
        let info = self.0.iter().find(|info| info.name == name);
        Ok(vec![0.25; info.map_or(0, |info| info.shape.iter().product())])
    }
}

type List<'l> = &'l [(&'l str, &'l [usize])];

fn file(list: List) -> Quarters {
    let info = |(name, shape): &(&str, &[usize])| TensorInfo {
        name: name.to_string(),
        shape: shape.to_vec(),
        element_type: "F32".into(),
    };
    let mut tensors: Vec<TensorInfo> = list.iter().map(info).collect();
    tensors.sort_by(|left, right| natural_order(&left.name, &right.name));
    Quarters(tensors)
}

/// The layers in the form `before>layer+after|slope`.
fn names(list: List, picks: Option<&[&str]>) -> Result<Vec<String>> {
    let picks: Option<Vec<String>> = picks.map(|picks| picks.iter().map(|pick| pick.to_string()).collect());
    let choice = Choice { layers: picks.as_deref(), ..Choice::default() };
    let (layers, _) = resolve(&file(list), choice)?;
    let show = |layer: LayerNames| {
        let before: String = layer.norms_before.iter().map(|norm| format!("{}>", norm.name)).collect();
        let after: String = layer.norms.iter().map(|norm| format!("+{}", norm.name)).collect();
        let slope = layer.slope.map_or(String::new(), |slope| format!("|{}", slope.module));
        format!("{before}{}{after}{slope}", layer.name)
    };
    Ok(layers.into_iter().map(show).collect())
}

fn refusal(list: List, picks: Option<&[&str]>) -> String {
    names(list, picks).unwrap_err().to_string()
}

const VAE: List = &[
    ("fc1.weight", &[400, 784]),
    ("fc21.weight", &[20, 400]),
    ("fc22.weight", &[20, 400]),
    ("fc3.weight", &[400, 20]),
    ("fc4.weight", &[784, 400]),
];

const AUTOENCODER: List = &[
    ("encoder.0.weight", &[400, 784]),
    ("encoder.2.weight", &[20, 400]),
    ("decoder.0.weight", &[400, 20]),
    ("decoder.2.weight", &[784, 400]),
];

#[test]
fn sequential_numbers_count() {
    let list: List = &[("10.weight", &[9, 7]), ("2.weight", &[7, 5]), ("0.weight", &[5, 3])];
    assert_eq!(names(list, None).unwrap(), ["0", "2", "10"]);
    assert_eq!(names(&[("weight", &[5, 3]), ("bias", &[5])], None).unwrap(), [""]);
}

#[test]
fn picks_by_whole_name_or_its_end() {
    assert_eq!(names(VAE, Some(&["fc3", "fc4"])).unwrap(), ["fc3", "fc4"]);
    assert_eq!(names(AUTOENCODER, Some(&["decoder.0.weight", "decoder.2"])).unwrap(), ["decoder.0", "decoder.2"]);
    let nested: List = &[("state_dict.fc3.weight", &[4, 2]), ("ema.fc3.weight", &[4, 2])];
    assert!(refusal(nested, Some(&["fc3"])).contains("`ema.fc3`"));
    assert_eq!(names(nested, Some(&["state_dict.fc3"])).unwrap(), ["state_dict.fc3"]);
}

#[test]
fn an_unknown_pick_lists_what_there_is() {
    let message = refusal(VAE, Some(&["fc9"]));
    assert!(message.contains("`fc9`") && message.contains("`fc21` (20 × 400)"), "{message}");
    assert!(refusal(VAE, Some(&[""])).contains("no layer"));
}

#[test]
fn mixtures_are_refused_with_what_to_type() {
    assert!(refusal(VAE, None).contains("`layers: fc3,fc4` (20 → 400 → 784)"), "{}", refusal(VAE, None));
    // The sizes fit in natural order, with the decoder first, but nobody trained that network.
    assert!(refusal(AUTOENCODER, None).contains("`layers: decoder.0,decoder.2` (20 → 400 → 784)"));
    let one_family: List =
        &[("fc1.weight", &[4, 9]), ("fc2.weight", &[2, 4]), ("fc3.weight", &[4, 2]), ("fc4.weight", &[9, 4])];
    let message = refusal(one_family, None);
    assert!(message.contains("9 → 4 → 2 → 4 → 9") && message.contains("`layers: fc3,fc4` (2 → 4 → 9)"), "{message}");
    let gan: List = &[("G.0.weight", &[9, 2]), ("D.0.weight", &[1, 9])];
    assert!(refusal(gan, None).contains("`layers: G.0` (2 → 9)"));
}

/// The whole suggestion, so that no other is offered.
#[track_caller]
fn offers(list: List, expected: &str) {
    let message = refusal(list, None);
    let (_, offered) = message.split_once("from the code to the output: ").expect(&message);
    assert_eq!(offered, expected);
}

#[test]
fn chains_are_found_by_size() {
    offers(
        &[
            ("img_2hid.weight", &[60, 90]),
            ("hid_2mu.weight", &[5, 60]),
            ("hid_2sigma.weight", &[5, 60]),
            ("z_2hid.weight", &[60, 5]),
            ("hid_2img.weight", &[90, 60]),
        ],
        "option `layers: z_2hid,hid_2img` (5 → 60 → 90)",
    );
    let two = [("enc1.weight", &[24, 30][..]), ("enc2.weight", &[4, 24]), ("dec1.weight", &[24, 4])];
    offers(&[two[0], two[1], two[2], ("dec2.weight", &[30, 24])], "option `layers: dec1,dec2` (4 → 24 → 30)");
    offers(
        &[("hidden.0.weight", &[16, 4]), ("hidden.1.weight", &[24, 16]), ("out.weight", &[30, 24])],
        "option `layers: hidden.0,hidden.1,out` (4 → 16 → 24 → 30)",
    );
    let numbered: List = &[
        ("fc1.weight", &[45, 90]),
        ("fc11.weight", &[20, 45]),
        ("fc21.weight", &[5, 20]),
        ("fc22.weight", &[5, 20]),
        ("fc3.weight", &[20, 5]),
        ("fc33.weight", &[45, 20]),
        ("fc4.weight", &[90, 45]),
    ];
    offers(numbered, "option `layers: fc3,fc33,fc4` (5 → 20 → 45 → 90)");
    assert_eq!(names(numbered, Some(&["fc3", "fc33", "fc4"])).unwrap().len(), 3);
    // A decoder that narrows at its end stays whole.
    offers(
        &[
            ("D.0.weight", &[64, 30]),
            ("D.2.weight", &[1, 64]),
            ("G.0.weight", &[64, 4]),
            ("G.2.weight", &[48, 64]),
            ("G.4.weight", &[30, 48]),
        ],
        "option `layers: G.0,G.2,G.4` (4 → 64 → 48 → 30)",
    );
}

#[test]
fn every_plausible_chain_is_listed() {
    let heads: List = &[("l1.weight", &[24, 4]), ("mean.weight", &[30, 24]), ("logvar.weight", &[30, 24])];
    let message = refusal(heads, None);
    for chain in ["`layers: l1,mean` (4 → 24 → 30", "`layers: l1,logvar` (4 → 24 → 30"] {
        assert!(message.contains(chain), "{message}");
    }
    assert_eq!(names(heads, Some(&["l1", "mean"])).unwrap(), ["l1", "mean"]);
    // Copies do not mix.
    let copies: List = &[
        ("model.z_in.weight", &[24, 4]),
        ("model.out.weight", &[30, 24]),
        ("ema.z_in.weight", &[24, 4]),
        ("ema.out.weight", &[30, 24]),
    ];
    let message = refusal(copies, None);
    assert!(message.contains("model.z_in,model.out` ") && message.contains("ema.z_in,ema.out` "), "{message}");
    assert!(!message.contains("model.z_in,ema.out"), "{message}");
}

#[test]
fn distinct_names_are_ordered_where_only_one_order_widens() {
    let list: List = &[("hidden.weight", &[5, 3]), ("input.weight", &[3, 2]), ("out.weight", &[9, 5])];
    assert_eq!(names(list, None).unwrap(), ["input", "hidden", "out"]);
}

#[test]
fn own_format_may_narrow() {
    let list: List = &[("layers.0.weight", &[5, 3]), ("layers.1.weight", &[2, 5]), ("layers.2.weight", &[9, 2])];
    assert_eq!(names(list, None).unwrap().len(), 3);
    let broken: List = &[("layers.0.weight", &[5, 3]), ("layers.1.weight", &[9, 4])];
    assert!(refusal(broken, None).contains("do not fit"));
}

#[test]
fn convolutions_are_refused_by_name() {
    let list: List = &[("conv1.weight", &[8, 4, 3, 3]), ("fc.weight", &[4, 2])];
    let message = refusal(list, None);
    // The convolution may follow the layer, so no command is offered that leaves it out.
    assert!(message.contains("`conv1` (a convolution") && !message.contains("`layers: fc`"), "{message}");
    assert!(refusal(list, Some(&["conv1", "fc"])).contains("convolution"));
    assert_eq!(names(list, Some(&["fc"])).unwrap(), ["fc"]);
    let apart: List = &[("enc.conv1.weight", &[8, 4, 3, 3]), ("dec.0.weight", &[4, 2])];
    assert!(refusal(apart, None).contains("`layers: dec.0` (2 → 4)"));
}

/// The tensors of a BatchNorm.
fn norm(name: &str, features: usize) -> [(String, Vec<usize>); 2] {
    [(format!("{name}.running_mean"), vec![features]), (format!("{name}.running_var"), vec![features])]
}

fn with_norms(linears: List, norms: &[(&str, usize)], picks: Option<&[&str]>) -> Result<Vec<String>> {
    let norms: Vec<_> = norms.iter().flat_map(|(name, features)| norm(name, *features)).collect();
    let list: Vec<(&str, &[usize])> =
        linears.iter().copied().chain(norms.iter().map(|(name, shape)| (name.as_str(), &shape[..]))).collect();
    names(&list, picks)
}

#[test]
fn the_positions_of_a_sequential_place_a_batch_norm() {
    let with = |linears: List, norms: &[(&str, usize)]| with_norms(linears, norms, None);
    let gap: List = &[("net.0.weight", &[5, 3]), ("net.3.weight", &[9, 5])];
    assert_eq!(with(gap, &[("net.1", 5)]).unwrap(), ["net.0+net.1", "net.3"]);
    assert_eq!(with(gap, &[("net.2", 5)]).unwrap(), ["net.0", "net.2>net.3"]);
    assert_eq!(with_norms(gap, &[("net.2", 5)], Some(&["net.0", "net.3"])).unwrap(), ["net.0", "net.2>net.3"]);
    assert_eq!(with(gap, &[("net.4", 9)]).unwrap(), ["net.0", "net.3+net.4"]);
    let late: List = &[("net.1.weight", &[5, 3]), ("net.3.weight", &[9, 5])];
    assert_eq!(with(late, &[("net.0", 3)]).unwrap(), ["net.0>net.1", "net.3"]);
    let wide: List = &[("net.0.weight", &[5, 3]), ("net.5.weight", &[9, 5])];
    assert_eq!(with(wide, &[("net.1", 5), ("net.4", 5)]).unwrap(), ["net.0+net.1", "net.4>net.5"]);
    // A dropout may stand on either side, and the output of an activation cannot be folded.
    for norm in [("net.2", 5), ("net.7", 9)] {
        let error = with(wide, &[norm]).unwrap_err().to_string();
        assert!(error.contains(&format!("`{}` (BatchNorm of {})", norm.0, norm.1)), "{error}");
    }
    // A list without gaps: the activations are applied elsewhere.
    let list: List = &[("net.0.weight", &[5, 3]), ("net.2.weight", &[9, 5])];
    assert!(with(list, &[("net.1", 5)]).unwrap_err().to_string().contains("`net.1`"));
}

#[test]
fn a_batch_norm_without_a_position_is_refused_unless_it_is_listed() {
    let linears: List = &[("fc1.weight", &[5, 3]), ("fc2.weight", &[9, 5])];
    let norms = [("bn1", 5)];
    let picked = |picks: &[&str]| with_norms(linears, &norms, Some(picks));
    for picks in [None, Some(&["fc1", "fc2"][..])] {
        let message = with_norms(linears, &norms, picks).unwrap_err().to_string();
        for words in ["`bn1` (BatchNorm of 5)", "`layers: fc1,bn1,fc2`", "`layers: fc1,activation,bn1,fc2`"] {
            assert!(message.contains(words), "{message}");
        }
    }
    assert_eq!(picked(&["fc1", "bn1", "fc2"]).unwrap(), ["fc1+bn1", "fc2"]);
    assert_eq!(picked(&["fc1", "activation", "bn1", "fc2"]).unwrap(), ["fc1", "bn1>fc2"]);
    assert!(picked(&["fc1", "fc2", "bn1"]).unwrap_err().to_string().contains("9 units"));
    assert!(picked(&["bn1", "fc1", "fc2"]).unwrap_err().to_string().contains("3 inputs"));
    assert!(picked(&["fc1", "bn1", "fc2", "activation", "bn1"]).unwrap_err().to_string().contains("last layer"));
}

#[test]
fn prelus_are_placed_or_refused() {
    let two: List = &[("hid.weight", &[5, 3]), ("prelu.weight", &[1]), ("out.weight", &[9, 5])];
    assert_eq!(names(two, None).unwrap(), ["hid|prelu", "out"]);
    let sequential: List =
        &[("0.weight", &[5, 3]), ("1.weight", &[1]), ("2.weight", &[9, 5]), ("3.weight", &[9]), ("4.weight", &[9, 9])];
    assert_eq!(names(sequential, None).unwrap(), ["0|1", "2|3", "4"]);
    let three: List = &[("l1.weight", &[5, 3]), ("l2.weight", &[7, 5]), ("l3.weight", &[9, 7]), ("act.weight", &[1])];
    assert!(refusal(three, None).contains("`act` (PReLU)"), "{}", refusal(three, None));
    let picks = ["l1", "act", "l2", "act", "l3"];
    assert_eq!(names(three, Some(&picks)).unwrap(), ["l1|act", "l2|act", "l3"]);
}

#[test]
fn what_could_act_is_refused_by_name() {
    let refused = |more: &(&str, &[usize]), words: &[&str]| {
        let list = [("net.0.weight", &[24, 4][..]), ("net.3.weight", &[40, 24]), *more];
        let message = refusal(&list, None);
        assert!(words.iter().all(|word| message.contains(word)), "{message}");
    };
    refused(&("mean", &[40]), &["`mean` [40]", "as many entries as the network has outputs", "`ignore_tensors: mean`"]);
    refused(&("net.scale", &[]), &["`net.scale` []"]);
    refused(&("out.std", &[1, 40]), &["`out.std` [1, 40]"]);
    refused(&("pixel_mean", &[4]), &["`pixel_mean`"]);
    refused(&("mask", &[24, 4]), &["`mask`"]);
    refused(&("net.3.lora", &[24, 2]), &["`net.3.lora`"]);
    for harmless in [("steps", &[1][..]), ("optimizer.state.0.exp_avg", &[24, 4]), ("history", &[100])] {
        let list = [("net.0.weight", &[24, 4][..]), ("net.3.weight", &[40, 24]), harmless];
        assert_eq!(names(&list, None).unwrap(), ["net.0", "net.3"], "{harmless:?}");
    }
}

#[test]
fn a_norm_between_the_layers_cannot_be_folded() {
    let list: List =
        &[("0.weight", &[24, 4]), ("1.weight", &[24]), ("1.bias", &[24]), ("3.weight", &[40, 24]), ("3.bias", &[40])];
    for picks in [None, Some(&["0", "3"][..])] {
        let message = refusal(list, picks);
        assert!(
            message.contains("`1` (LayerNorm or GroupNorm of 24), which stands between the picked layers `0` and `3`")
        );
        assert!(!message.contains("option `"), "{message}");
    }
}

#[test]
fn the_norms_of_an_unpicked_chain_need_no_ignoring() {
    let mut list = AUTOENCODER.to_vec();
    list.extend([("encoder.1.weight", &[400][..]), ("encoder.1.bias", &[400]), ("encoder.mean", &[784])]);
    assert_eq!(names(&list, Some(&["decoder.0", "decoder.2"])).unwrap(), ["decoder.0", "decoder.2"]);
    list.push(("decoder.2.scale", &[784]));
    assert!(refusal(&list, Some(&["decoder.0", "decoder.2"])).contains("`decoder.2.scale`"));
}

#[test]
fn a_layer_between_the_picked_ones_has_to_be_listed() {
    let list: List = &[("fc1.weight", &[9, 3]), ("fc2.weight", &[9, 9]), ("fc3.weight", &[12, 9])];
    assert!(refusal(list, Some(&["fc1", "fc3"])).contains("`fc2` (9 × 9)"));
    let skip: List = &[("fc1.weight", &[9, 3]), ("skip.weight", &[12, 3]), ("fc2.weight", &[12, 9])];
    assert!(refusal(skip, Some(&["fc1", "fc2"])).contains("`skip` (12 × 3)"));
}

const BLOCKS: List = &[("net.0.weight", &[32, 10]), ("net.4.weight", &[64, 32])];

/// The refusal of `list` with one more tensor, if `net.0` and `net.4` are picked.
fn with_more(list: List, name: &str, shape: &[usize]) -> String {
    let list: Vec<_> = list.iter().copied().chain([(name, shape)]).collect();
    refusal(&list, Some(&["net.0", "net.4"]))
}

#[test]
fn a_block_between_the_picked_layers_is_refused() {
    for (name, shape, found) in [
        ("net.2.fc.weight", &[32, 32][..], "`net.2.fc` (32 × 32)"),
        ("net.2.block.0.weight", &[5, 7], "`net.2.block.0` (5 × 7)"),
        ("net.2.norm.weight", &[7], "`net.2.norm` (RMSNorm or scale of 7)"),
        ("net.2.conv.weight", &[8, 4, 3], "`net.2.conv` (a convolution"),
        ("net.2.table", &[5, 7], "`net.2.table` [5, 7]"),
        ("net.2.block.epoch", &[], "`net.2.block.epoch` []"),
    ] {
        let message = with_more(BLOCKS, name, shape);
        assert!(message.contains(found), "{message}");
    }
    let block = [BLOCKS[0], BLOCKS[1], ("net.2.fc.weight", &[32, 32])];
    let message = refusal(&block, None);
    assert!(message.contains("`net.2.fc`") && !message.contains("net.0,net.4"), "{message}");
    // The norm and the slope belong to the block, whatever they are called.
    for name in ["net.2.bn", "net.2.1"] {
        let with = with_norms(&block, &[(name, 32)], Some(&["net.0", "net.4"]));
        assert!(with.unwrap_err().to_string().contains("`net.2."), "{name}");
    }
    let with_slope = [block[0], block[1], ("net.2.act.weight", &[1][..])];
    assert!(with_more(&with_slope, "net.2.fc.weight", &[32, 32]).contains("`net.2.act` (PReLU)"));
    let after = [BLOCKS[0], BLOCKS[1], ("other.2.fc.weight", &[32, 32])];
    assert_eq!(names(&after, Some(&["net.0", "net.4"])).unwrap(), ["net.0", "net.4"]);
}

#[test]
fn a_tensor_with_as_many_entries_as_the_network_has_outputs_acts() {
    for shape in [&[8, 8][..], &[1, 8, 8], &[4, 4, 4], &[2, 5]] {
        let message = with_more(BLOCKS, "k", shape);
        assert!(message.contains("`k` ["), "{message}");
    }
    assert!(with_more(BLOCKS, "k", &[8, 8]).contains("as many entries as the network has outputs"));
    let mut list = AUTOENCODER.to_vec();
    list.push(("encoder.k", &[28, 28]));
    assert_eq!(names(&list, Some(&["decoder.0", "decoder.2"])).unwrap(), ["decoder.0", "decoder.2"]);
}

#[test]
fn loose_numbers_act_unless_they_are_recorded() {
    for (name, shape) in [("k", &[][..]), ("net.foo", &[1]), ("q", &[16]), ("cls", &[]), ("encoder_k", &[1, 1])] {
        let message = with_more(BLOCKS, name, shape);
        assert!(message.contains(&format!("`{name}` [")), "{message}");
    }
    for name in ["epoch", "best_loss", "learning_rate", "lr", "version", "encoder.k"] {
        let list = [BLOCKS[0], BLOCKS[1], (name, &[])];
        assert_eq!(names(&list, Some(&["net.0", "net.4"])).unwrap().len(), 2, "{name}");
    }
}

#[test]
fn a_number_called_weight_is_a_slope_only_by_name_or_position() {
    let picks: Option<&[&str]> = Some(&["a", "b"]);
    let with = |name| names(&[("a.weight", &[5, 3]), (name, &[1]), ("b.weight", &[9, 5])], picks);
    for name in ["PReLU.weight", "act1.weight", "leaky_relu.weight"] {
        assert_eq!(with(name).unwrap().len(), 2, "{name}");
    }
    for name in ["gain.weight", "x.weight", "x.0.weight"] {
        let module = name.strip_suffix(".weight").unwrap();
        assert!(with(name).unwrap_err().to_string().contains(&format!("`{module}` (scale of 1)")), "{name}");
    }
    let beside: List =
        &[("dec.a.weight", &[5, 3]), ("dec.b.weight", &[9, 5]), ("dec.c.weight", &[2, 9]), ("dec.x.weight", &[1])];
    assert!(refusal(beside, Some(&["dec.a", "dec.b"])).contains("`dec.x` (scale of 1)"));
}
