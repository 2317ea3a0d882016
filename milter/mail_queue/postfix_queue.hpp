// PostfixQueue: the queue of a Postfix on this host. What is in it is read from the queue files; what changes it is done by Postfix's
// own postsuper and postqueue, so that Postfix may run meanwhile. The ids go by standard input, never through a shell.
//
// Known limits: a message that Postfix is delivering when it is kept back may still be delivered by that attempt. What was let go lies
// in the deferred queue until the next queue run (queue_run_delay, 5 minutes); up to 100 at a time are asked for at once. After a change
// of hash_queue_names or hash_queue_depth postsuper does not find what lies in the old folders until Postfix has been restarted. Where
// maillog_file is set, postsuper cannot write its log while Postfix is stopped, and does nothing.
#pragma once

#include "milter/admin/file_descriptor.hpp"
#include "milter/mail_queue/mail_queue.hpp"
#include "milter/mail_queue/postfix_settings.hpp"

namespace milter::mail_queue {

class PostfixQueue final : public MailQueue {
 public:
  [[nodiscard]] static quota::Result<std::unique_ptr<MailQueue>, std::string> open(const std::string& postconf, const std::string& config);

  [[nodiscard]] Or<std::string> host() override { return {boost::system::in_place_value, settings_.myhostname}; }
  [[nodiscard]] Or<Turn> take_turn() override { return mail_queue::take_turn(settings_.queue_directory + "/hold", patience_for_turn); }
  [[nodiscard]] Or<std::vector<QueueFile>> look(std::span<const std::string> ids, const Progress& progress) override;
  [[nodiscard]] Or<std::size_t> hold(std::span<const std::string> ids, const Progress& progress) override;
  [[nodiscard]] Or<std::size_t> send(std::span<const std::string> ids, const Progress& progress) override;
  [[nodiscard]] Or<std::size_t> remove(std::span<const std::string> ids, const Progress& progress) override;
  [[nodiscard]] Or<std::vector<Notice>> notices(std::span<const std::string> ids) override;

 private:
  /// A way of postsuper, what it says after the id of each message that it did, and to which queues it is bound.
  struct Act {
    const char* option;
    std::string says;
    std::vector<std::string> queues;
  };

  PostfixQueue(PostfixSettings settings, admin::FileDescriptor queue_directory);
  [[nodiscard]] Or<std::vector<std::string>> act(const Act& act, std::span<const std::string> ids, const Progress& progress) const;
  [[nodiscard]] Or<std::vector<std::string>> act_on_some(const Act& act, std::span<const std::string> ids) const;
  void deliver(std::span<const std::string> ids) const;
  [[nodiscard]] bool is_notice(int file) const;

  PostfixSettings settings_;
  admin::FileDescriptor queue_directory_;
};

}  // namespace milter::mail_queue
