-- Plays one case of test_answers.py: the file `case` calls the functions below, one for each event that an MTA reports.
-- What the MTA and the milter agreed not to report is not sent. Ends with an error where the milter's answer is none.

local conn

local function check(step, trouble)
  if trouble == nil then return end
  mt.echo(step .. ": " .. trouble)
  error(step)
end

local function unless(option, step, trouble)
  if not mt.test_option(conn, option) then check(step, trouble()) end
end

function open(version, actions, steps)
  conn = mt.connect(socket)
  check("negotiate", mt.negotiate(conn, version, steps, actions))  -- in this order, whatever its manual says
end

function macro(stage, ...) check("macro", mt.macro(conn, string.byte(stage), ...)) end
function connect(host, ip) check("connect", mt.conninfo(conn, host, ip)) end
function helo(name) check("helo", mt.helo(conn, name)) end
function mail(...) check("mail", mt.mailfrom(conn, ...)) end
function rcpt(...) check("rcpt", mt.rcptto(conn, ...)) end
function data() check("data", mt.data(conn)) end
function header(name, value) unless(SMFIP_NOHDRS, "header", function() return mt.header(conn, name, value) end) end
function eoh() unless(SMFIP_NOEOH, "eoh", function() return mt.eoh(conn) end) end
function body(text) unless(SMFIP_NOBODY, "body", function() return mt.bodystring(conn, text) end) end
function eom() check("eom", mt.eom(conn)) end
function abort() check("abort", mt.abort(conn)) end
function quit() check("quit", mt.disconnect(conn)) end

dofile(case)
