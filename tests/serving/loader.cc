// Loads a SavedModel with the loader of TensorFlow Serving and asks serving_default.
//
//     loader FOLDER K INPUT=VALUE ...
//
// Every input is filled from the command line: K into "k", lists of items that are not
// named with one piece of padding. Prints the ids of the answer, one a line.

#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "tensorflow/cc/saved_model/loader.h"
#include "tensorflow/core/framework/tensor.h"
#include "tensorflow/core/public/session.h"

using tensorflow::Tensor;
using tensorflow::TensorShape;
using tensorflow::tstring;

int main(int argc, char** argv) {
  if (argc < 3) {
    std::cerr << "usage: loader FOLDER K INPUT=VALUE ...\n";
    return 2;
  }
  std::map<std::string, std::string> given;
  for (int n = 3; n < argc; ++n) {
    const std::string word = argv[n];
    const size_t equals = word.find('=');
    given[word.substr(0, equals)] = word.substr(equals + 1);
  }

  tensorflow::SavedModelBundle bundle;
  auto status = tensorflow::LoadSavedModel(
      tensorflow::SessionOptions(), tensorflow::RunOptions(), argv[1],
      {"serve"}, &bundle);
  if (!status.ok()) {
    std::cerr << status.message() << "\n";
    return 1;
  }

  const auto& signature =
      bundle.meta_graph_def.signature_def().at("serving_default");
  std::vector<std::pair<std::string, Tensor>> inputs;
  for (const auto& [name, info] : signature.inputs()) {
    TensorShape shape;
    for (int n = 0; n < info.tensor_shape().dim_size(); ++n) shape.AddDim(1);
    Tensor value(info.dtype(), shape);
    const bool known = given.count(name) > 0;
    if (info.dtype() == tensorflow::DT_STRING) {
      value.flat<tstring>()(0) = known ? given[name] : "";
    } else if (info.dtype() == tensorflow::DT_INT64) {
      value.flat<int64_t>()(0) = known ? std::atoll(given[name].c_str()) : -1;
    } else {
      value.flat<int32_t>()(0) = std::atoi(argv[2]);
    }
    inputs.emplace_back(info.name(), value);
  }

  std::vector<Tensor> outputs;
  status = bundle.session->Run(
      inputs, {signature.outputs().at("item_id").name()}, {}, &outputs);
  if (!status.ok()) {
    std::cerr << status.message() << "\n";
    return 1;
  }
  for (int64_t n = 0; n < outputs[0].NumElements(); ++n) {
    if (outputs[0].dtype() == tensorflow::DT_STRING) {
      std::cout << outputs[0].flat<tstring>()(n) << "\n";
    } else {
      std::cout << outputs[0].flat<int64_t>()(n) << "\n";
    }
  }
  return 0;
}
