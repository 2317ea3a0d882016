#include "milter/admin/page.hpp"

#include "milter/admin/page_files.hpp"

namespace milter::admin {
namespace {

constexpr const char* rules =
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'none'; base-uri 'none'; "
    "frame-ancestors 'none'; require-trusted-types-for 'script'";

Route file(const char* path, const char* text, const char* type) {
  const auto give = [text, type](const Request&, const Parameters&) {
    return Response{.text = text, .type = type, .headers = {{"Content-Security-Policy", rules}}};
  };
  return {"GET", path, give, Role::none, Reach::sender, Pace::prompt};
}

}  // namespace

std::vector<Route> page_routes() {
  return {file("/", page::page_html, "text/html; charset=utf-8"),
          file("/page.css", page::page_css, "text/css; charset=utf-8"),
          file("/parts.js", page::parts_js, "text/javascript; charset=utf-8"),
          file("/mail.js", page::mail_js, "text/javascript; charset=utf-8"),
          file("/page.js", page::page_js, "text/javascript; charset=utf-8"),
          file("/icon.svg", page::icon_svg, "image/svg+xml")};
}

}  // namespace milter::admin
