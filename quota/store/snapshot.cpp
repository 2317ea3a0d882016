#include "quota/store/snapshot.hpp"

#include <algorithm>
#include <cstdio>
#include <fstream>

#include "quota/text.hpp"
#include "quota/time_text.hpp"

namespace quota {
namespace {

constexpr std::string_view snapshot_magic = "sendquota-snapshot";
constexpr std::string_view snapshot_version = "1";

std::optional<SnapshotHeader> parse_header(const std::string& line) {
  auto words = split_words(line);
  if (words.size() < 4 || words[0] != snapshot_magic || words[1] != snapshot_version) return std::nullopt;
  const auto at = parse_moment(words[2]);
  if (!at) return std::nullopt;
  SnapshotHeader header{*at, words[3], {}};
  header.more.assign(words.begin() + 4, words.end());
  return header;
}

SnapshotFound damaged(std::string complaint) { return {SnapshotState::damaged, {}, std::move(complaint)}; }

bool is_end(std::string_view line) { return line.starts_with("end\t"); }

}  // namespace

Result<SnapshotWriter, std::string> SnapshotWriter::create(const std::filesystem::path& path,
                                                           const SnapshotHeader& header) {
  auto file = DurableFile::create(path);
  if (!file) return file.error();
  SnapshotWriter writer{std::move(*file)};
  std::vector<std::string> words{std::string(snapshot_magic), std::string(snapshot_version), format_moment(header.at), header.history};
  words.insert(words.end(), header.more.begin(), header.more.end());
  writer.add(joined_words(words) + '\n');
  return writer;
}

void SnapshotWriter::add(std::string_view lines) {
  checksum_.process_bytes(lines.data(), lines.size());
  lines_ += static_cast<std::size_t>(std::ranges::count(lines, '\n'));
  file_.write(lines);
}

Result<void, std::string> SnapshotWriter::commit() {
  file_.write("end\t" + std::to_string(lines_) + '\t' + checksum_text(checksum_.checksum()) + '\n');
  return file_.commit();
}

SnapshotFound find_snapshot(const std::filesystem::path& path) {
  std::error_code error;
  if (!std::filesystem::exists(path, error) && !error) return {};
  std::ifstream file(path, std::ios::binary);
  if (!file) return damaged(system_complaint("open", path));
  boost::crc_32_type checksum;
  std::size_t lines = 0;
  std::string line;
  std::string first;
  while (std::getline(file, line) && !is_end(line)) {
    line += '\n';
    checksum.process_bytes(line.data(), line.size());
    if (lines++ == 0) first = line.substr(0, line.size() - 1);
  }
  if (line != "end\t" + std::to_string(lines) + '\t' + checksum_text(checksum.checksum()) || file.peek() != EOF)
    return damaged("its end is missing or its checksum does not fit");
  auto header = parse_header(first);
  if (!header) return damaged("it is of another version");
  return {SnapshotState::whole, std::move(*header), {}};
}

void read_snapshot(const std::filesystem::path& path, const std::function<void(std::vector<std::string>)>& each) {
  std::ifstream file(path, std::ios::binary);
  std::string line;
  std::getline(file, line);
  while (std::getline(file, line) && !is_end(line)) each(split_words(line));
}

}  // namespace quota
