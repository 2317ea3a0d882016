// The framing of the milter protocol: bytes ⇄ packets. A packet is a length of 4 bytes (big endian, counting what
// follows), one code byte and its data; both directions look alike. Pure: no socket, no clock.
//
// Everything that comes from the other side is bounded: a packet longer than `max_packet` is an error, and after an
// error a Decoder stays in error, because the place where the next packet would begin is lost.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "quota/result.hpp"

namespace milter::mta {

/// Longest length field that is believed; the largest packet in use holds a header or a body chunk of 64 KiB.
inline constexpr std::size_t max_packet = std::size_t{1} << 20;

/// What an MTA sends.
enum class Command : char {
  abort = 'A',
  body = 'B',
  connect = 'C',
  macros = 'D',
  end_of_message = 'E',
  helo = 'H',
  quit_for_new_connection = 'K',
  header = 'L',
  mail = 'M',
  end_of_headers = 'N',
  negotiate = 'O',
  quit = 'Q',
  rcpt = 'R',
  data = 'T',
  unknown = 'U',
};

/// The command's name as logs and tables show it: `end of message`.
[[nodiscard]] std::string_view name_of(Command command);

/// Why bytes from the other side could not be understood.
struct WireError {
  std::string what;
};

struct Packet {
  char code = 0;
  std::string data;
  bool operator==(const Packet&) const = default;
};

void append_packet(std::string& bytes, char code, std::string_view data);

/// Appends `text` and its terminating NUL. Text is cut at a NUL of its own, which could forge the next field.
void append_string(std::string& bytes, std::string_view text);
void append_u16(std::string& bytes, std::uint16_t number);
void append_u32(std::string& bytes, std::uint32_t number);

/// Reads the fields of one packet's data from front to back; empty answers when the data ends too early.
class FieldReader {
 public:
  explicit FieldReader(std::string_view data) : rest_(data) {}
  [[nodiscard]] std::optional<std::uint32_t> u32();
  /// The bytes up to the next NUL, which must be there.
  [[nodiscard]] std::optional<std::string> string();
  [[nodiscard]] std::string_view rest() const { return rest_; }

 private:
  std::string_view rest_;
};

/// Cuts a stream into packets, however it is chopped.
class Decoder {
 public:
  void feed(std::string_view bytes);

  /// The next whole packet; empty when more bytes are needed.
  [[nodiscard]] quota::Result<std::optional<Packet>, WireError> next();

 private:
  std::string bytes_;
  std::size_t read_ = 0;
};

/// A code byte as it may be shown to a person: `'q'`, or `0x07`.
[[nodiscard]] std::string printable(char code);

}  // namespace milter::mta
