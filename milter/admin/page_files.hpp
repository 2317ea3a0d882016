// The files of milter/admin/page/, as they are.
#pragma once

namespace milter::admin::page {

extern const char* const page_html;
extern const char* const page_css;
extern const char* const parts_js;
extern const char* const mail_js;
extern const char* const page_js;
extern const char* const icon_svg;

}  // namespace milter::admin::page
