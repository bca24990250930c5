//! The choice of a run's device.

use std::str::FromStr;

use unrelu::internals::device::open;
use unrelu::{Activation, DeviceChoice, Error, list_adapters};

use crate::fixtures::network;

#[test]
fn choices_are_read_as_they_are_written() {
    for choice in [DeviceChoice::Auto, DeviceChoice::Cpu, DeviceChoice::Gpu] {
        assert_eq!(DeviceChoice::from_str(&choice.to_string()), Ok(choice));
    }
    assert!(DeviceChoice::from_str("cuda").unwrap_err().contains("auto, cpu or gpu"));
}

#[test]
fn the_cpu_is_always_there_and_excludes_an_adapter() {
    let network = network(1, &[2, 3], Activation::Relu, Activation::Relu);
    let opened = open(&network, DeviceChoice::Cpu, None).unwrap();
    assert!(opened.device.description().starts_with("CPU") && opened.notice.is_none());
    assert!(matches!(open(&network, DeviceChoice::Cpu, Some("x")), Err(Error::BadOption { .. })));
}

#[test]
fn auto_takes_hardware_or_says_that_it_takes_the_cpu() {
    let network = network(1, &[2, 3], Activation::Relu, Activation::Relu);
    let opened = open(&network, DeviceChoice::Auto, None).unwrap();
    let hardware = list_adapters().iter().any(|adapter| adapter.hardware);
    assert_eq!(opened.device.description().starts_with("CPU"), !hardware);
    assert_eq!(opened.notice.is_some(), !hardware);
    assert!(opened.notice.is_none_or(|notice| !notice.contains('\n')));
}

#[test]
fn an_adapter_that_is_not_there_is_an_error() {
    let network = network(1, &[2, 3], Activation::Relu, Activation::Relu);
    for choice in [DeviceChoice::Auto, DeviceChoice::Gpu] {
        let error = open(&network, choice, Some("no such adapter")).err().unwrap();
        assert!(matches!(error, Error::NoDevice(_)) && error.is_usage(), "{error}");
    }
}

#[test]
fn gpu_takes_any_adapter_there_is() {
    let network = network(1, &[2, 3], Activation::Relu, Activation::Relu);
    let opened = open(&network, DeviceChoice::Gpu, None);
    match list_adapters().first() {
        Some(_) => assert!(!opened.unwrap().device.description().starts_with("CPU")),
        None => {
            let error = opened.err().unwrap().to_string();
            assert!(error.contains("mesa-vulkan-drivers") || !cfg!(feature = "gpu"), "{error}");
        }
    }
}
