#include "milter/mta/wire.hpp"

namespace milter::mta {

namespace {

constexpr std::size_t length_bytes = 4;

std::uint32_t read_u32(std::string_view bytes) {
  std::uint32_t number = 0;
  for (const char byte : bytes.substr(0, 4)) number = (number << 8) | static_cast<unsigned char>(byte);
  return number;
}

}  // namespace

std::string_view name_of(Command command) {
  switch (command) {
    case Command::abort:
      return "abort";
    case Command::body:
      return "body";
    case Command::connect:
      return "connect";
    case Command::macros:
      return "macros";
    case Command::end_of_message:
      return "end of message";
    case Command::helo:
      return "helo";
    case Command::quit_for_new_connection:
      return "quit for a new connection";
    case Command::header:
      return "header";
    case Command::mail:
      return "mail";
    case Command::end_of_headers:
      return "end of headers";
    case Command::negotiate:
      return "negotiate";
    case Command::quit:
      return "quit";
    case Command::rcpt:
      return "rcpt";
    case Command::data:
      return "data";
    case Command::unknown:
      return "unknown command";
  }
  return "?";
}

void append_packet(std::string& bytes, char code, std::string_view data) {
  append_u32(bytes, static_cast<std::uint32_t>(data.size() + 1));
  bytes += code;
  bytes += data;
}

void append_string(std::string& bytes, std::string_view text) {
  bytes += text.substr(0, text.find('\0'));
  bytes += '\0';
}

void append_u16(std::string& bytes, std::uint16_t number) {
  bytes += static_cast<char>(number >> 8);
  bytes += static_cast<char>(number & 0xff);
}

void append_u32(std::string& bytes, std::uint32_t number) {
  for (int shift = 24; shift >= 0; shift -= 8) bytes += static_cast<char>((number >> shift) & 0xff);
}

std::optional<std::uint32_t> FieldReader::u32() {
  if (rest_.size() < 4) return std::nullopt;
  const auto number = read_u32(rest_);
  rest_.remove_prefix(4);
  return number;
}

std::optional<std::string> FieldReader::string() {
  const auto end = rest_.find('\0');
  if (end == std::string_view::npos) return std::nullopt;
  std::string text(rest_.substr(0, end));
  rest_.remove_prefix(end + 1);
  return text;
}

void Decoder::feed(std::string_view bytes) {
  // What was read is dropped only here, so that taking many small packets from one read does not move the rest each
  // time.
  bytes_.erase(0, read_);
  read_ = 0;
  bytes_ += bytes;
}

quota::Result<std::optional<Packet>, WireError> Decoder::next() {
  const auto rest = std::string_view(bytes_).substr(read_);
  if (rest.size() < length_bytes) return std::optional<Packet>{};
  const std::size_t length = read_u32(rest);
  if (length == 0) return WireError{"a packet of length 0"};
  if (length > max_packet) return WireError{"a packet of " + std::to_string(length) + " bytes"};
  if (rest.size() < length_bytes + length) return std::optional<Packet>{};
  read_ += length_bytes + length;
  return std::optional(Packet{rest[length_bytes], std::string(rest.substr(length_bytes + 1, length - 1))});
}

std::string printable(char code) {
  if (code > ' ' && code <= '~') return {'\'', code, '\''};
  constexpr std::string_view digits = "0123456789abcdef";
  const auto byte = static_cast<unsigned char>(code);
  return {'0', 'x', digits[byte >> 4], digits[byte & 0xf]};
}

}  // namespace milter::mta
